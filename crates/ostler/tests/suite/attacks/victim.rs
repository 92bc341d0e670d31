//! Who is attacked: an Ostler, and a server behind it that does what the path says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::time::Instant;

use crate::binary::Ostler;
use crate::raw::{admin, get};
use crate::stage::serve_with;

/// How long to wait for what must happen before saying that it did not.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of `/big`: more than all the buffers on the way.
const BIG: usize = 64 << 20;

/// An Ostler in front of a server as `a.localhost`.
pub(super) struct Victim {
    pub(super) ostler: Ostler,
    exchanges: Arc<AtomicUsize>,
}

impl Victim {
    /// With keys of `[switchboard]`.
    pub(super) fn new(switchboard: &str) -> Self {
        Self::with_log(switchboard, "info")
    }

    /// The same with what is to be logged.
    pub(super) fn with_log(switchboard: &str, filter: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let exchanges = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&exchanges);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let counter = Arc::clone(&counter);
                // A broken connection ends the thread, and that is all.
                thread::spawn(move || connection(&stream.unwrap(), &counter));
            }
        });
        let server = format!("[[server]]\nhost = \"a.localhost\"\nurl = \"{url}\"\n");
        Self { ostler: serve_with(switchboard, "", &server, &[("OSTLER_LOG", filter)]), exchanges }
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.ostler.switchboard).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Waits until the server has so many requests that it has not answered.
    #[track_caller]
    pub(super) fn until_exchanges(&self, count: usize, after: &str) {
        until(&format!("{count} exchanges after a client has {after}"), || {
            self.exchanges.load(Ordering::SeqCst) == count
        });
    }

    /// Waits until the switchboard has so many connections.
    #[track_caller]
    pub(super) fn until_connections(&self, count: usize) {
        until(&format!("{count} connections"), || self.connections() == count);
    }

    fn connections(&self) -> usize {
        let metrics = admin(self.ostler.admin, "GET", "/metrics").with(200).body;
        let address = self.ostler.switchboard.to_string();
        let lines = metrics.lines().filter(|line| line.starts_with("ostler_http_connections{"));
        lines
            .filter(|line| line.contains(&address))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as usize)
            .sum()
    }

    /// Asserts that others are served as if nothing had been.
    #[track_caller]
    pub(super) fn is_unharmed(&self, after: &str) {
        self.until_exchanges(0, after);
        self.until_connections(0);
        assert_eq!(get(self.ostler.switchboard, "a.localhost", "/ok").with(200).body, "ok");
    }

    /// Ends it, asserts that nothing in it has panicked, and gives its log.
    pub(super) fn end(self) -> String {
        self.ostler.signal(rustix::process::Signal::TERM);
        let (code, log) = self.ostler.end();
        assert_eq!(code, Some(143), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    }
}

/// Waits for a condition.
#[track_caller]
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "no {what} in all our patience");
        thread::yield_now();
    }
}

/// Closes a connection with a RST.
pub(super) fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Serves one connection until it ends.
fn connection(stream: &TcpStream, exchanges: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (method, path) = request(&mut reader)?;
        exchanges.fetch_add(1, Ordering::SeqCst);
        let path = if method == "HEAD" { "a head" } else { &*path };
        let goes_on = answer(path, stream, &mut reader);
        exchanges.fetch_sub(1, Ordering::SeqCst);
        goes_on?;
    }
}

/// Method and path of the next request, whose head is read.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut request = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        if line == "\r\n" {
            return request;
        }
        let mut words = line.split(' ').map(str::to_owned);
        request = request.or_else(|| Some((words.next()?, words.next()?)));
    }
}

/// None when the connection ends with it.
fn answer(path: &str, mut stream: &TcpStream, reader: &mut impl Read) -> Option<()> {
    let mut write = |bytes: &[u8]| stream.write_all(bytes).ok();
    let to_the_end = |reader: &mut dyn Read| std::io::copy(reader, &mut std::io::sink()).ok();
    match path {
        "a head" => return write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        "/ok" => return write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        "/big" => {
            write(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n").as_bytes())?;
            return (0..BIG / 65536).try_for_each(|_| write(&[b'x'; 65536]));
        }
        "/chunks" => {
            write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            while write(b"5\r\nhello\r\n").is_some() {}
        }
        "/ws" => {
            write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")?;
            to_the_end(reader);
        }
        "/reset-at-once" => {}
        "/reset-in-head" => write(b"HTTP/1.1 200 OK\r\nContent-Le")?,
        "/reset-in-body" => write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")?,
        "/reset-in-chunk" => {
            write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe")?;
        }
        "/reset-between-chunks" => {
            write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        }
        // It takes everything and gives nothing.
        _ => drop(to_the_end(reader)),
    }
    if path.starts_with("/reset") {
        // What has been written goes out first.
        let _ = stream.set_nodelay(true);
        set_socket_linger(stream, Some(Duration::ZERO)).ok()?;
    }
    None
}
