//! Clients that keep their connection, alone and as load.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use ostler::Address;

/// A connection that stays open between its requests.
pub(crate) struct KeepAlive {
    reader: BufReader<Box<dyn Duplex>>,
    host: String,
}

/// A connection of either family.
trait Duplex: Read + Write + Send {}

impl<S: Read + Write + Send> Duplex for S {}

/// An answer with a `Content-Length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether this connection takes another request.
    pub(crate) stays: bool,
    pub(crate) body: String,
}

/// Clients who ask for `/` again and again, each on a connection of its own.
pub(crate) struct Load {
    going: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Seen>>,
}

/// What became of the requests of a load.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: Vec<Answer>,
    /// Requests on a connection that was closed meanwhile, of whose answer nothing came.
    pub(crate) unanswered: usize,
    /// Answers that began and did not end.
    pub(crate) cut: Vec<String>,
    /// Attempts to connect that failed, each of which ends its client.
    pub(crate) refused: Vec<String>,
}

impl KeepAlive {
    pub(crate) fn new(address: SocketAddr, host: &str) -> io::Result<Self> {
        Self::to(&address.into(), host)
    }

    pub(crate) fn to(address: &Address, host: &str) -> io::Result<Self> {
        let stream: Box<dyn Duplex> = match address {
            Address::Tcp(address) => Box::new(TcpStream::connect(address)?),
            Address::Unix(path) => Box::new(UnixStream::connect(path)?),
        };
        Ok(Self { reader: BufReader::new(stream), host: host.to_owned() })
    }

    /// Asks for `path`. None when the connection ends before the first byte of the answer.
    ///
    /// # Errors
    /// It ends behind that.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Option<Answer>> {
        let Self { reader, host } = self;
        if write!(reader.get_mut(), "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").is_err() {
            return Ok(None);
        }
        if reader.fill_buf().map_or(true, <[u8]>::is_empty) {
            return Ok(None);
        }
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::Error::other(format!("cut in its head: {head}")));
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let stays = !head.to_ascii_lowercase().contains("connection: close");
        Ok(Some(Answer { status, stays, body: String::from_utf8(body).unwrap() }))
    }
}

impl Load {
    /// Begins, and returns when every client has had an answer.
    pub(crate) fn on(address: impl Into<Address>, host: &str, clients: usize) -> Self {
        let address = address.into();
        let going = Arc::new(AtomicBool::new(true));
        let answered = Arc::new(AtomicUsize::new(0));
        let (first, begun) = std::sync::mpsc::channel();
        let client = || {
            let (going, answered, first) = (Arc::clone(&going), Arc::clone(&answered), first.clone());
            let (address, host) = (address.clone(), host.to_owned());
            thread::spawn(move || ask(&address, &host, &going, &answered, &first))
        };
        let clients: Vec<_> = (0..clients).map(|_| client()).collect();
        for _ in &clients {
            begun.recv().unwrap();
        }
        Self { going, answered, clients }
    }

    /// Waits for that many more answers.
    pub(crate) fn goes_on_for(&self, more: usize) {
        let enough = self.answered.load(Ordering::Relaxed) + more;
        while self.answered.load(Ordering::Relaxed) < enough {
            assert!(self.clients.iter().any(|client| !client.is_finished()), "all clients have ended");
            thread::yield_now();
        }
    }

    /// Stops asking, and tells what was seen.
    pub(crate) fn stop(self) -> Seen {
        self.going.store(false, Ordering::Relaxed);
        self.ended()
    }

    /// Waits until there is nobody to connect to any more.
    pub(crate) fn ended(self) -> Seen {
        let mut all = Seen::default();
        for client in self.clients {
            let seen = client.join().unwrap();
            all.answers.extend(seen.answers);
            all.unanswered += seen.unanswered;
            all.cut.extend(seen.cut);
            all.refused.extend(seen.refused);
        }
        all
    }
}

fn ask(
    address: &Address,
    host: &str,
    going: &AtomicBool,
    answered: &AtomicUsize,
    first: &std::sync::mpsc::Sender<()>,
) -> Seen {
    let mut seen = Seen::default();
    while going.load(Ordering::Relaxed) {
        let mut connection = match KeepAlive::to(address, host) {
            Ok(connection) => connection,
            Err(error) => {
                seen.refused.push(error.to_string());
                break;
            }
        };
        while going.load(Ordering::Relaxed) {
            match connection.get("/") {
                Ok(Some(answer)) => {
                    let stays = answer.stays;
                    seen.answers.push(answer);
                    answered.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens once all have begun.
                    let _ = first.send(());
                    if !stays {
                        break;
                    }
                }
                Ok(None) => {
                    seen.unanswered += 1;
                    break;
                }
                Err(error) => {
                    seen.cut.push(error.to_string());
                    break;
                }
            }
        }
    }
    seen
}
