//! The server behind the proxies: it takes down what it gets, and whether anybody could read that in another way.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::grammar::{self, Framing};

/// How long a proxy may take to let go of a request that its client has given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that answers each request with its target.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    record: Arc<Record>,
}

#[derive(Debug, Default)]
struct Record {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    /// Connections on which a request has begun and not ended.
    under_way: usize,
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    method: String,
    pub(super) target: String,
    length: usize,
    /// How the body is framed, and what else there is to it.
    framing: String,
    /// The protocol that the client wants to switch to.
    upgrade: Option<String>,
    /// What in it servers may read in different ways.
    pub(super) doubts: Vec<String>,
}

impl Recorder {
    /// Listens until the process ends.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let recording = Arc::clone(&record);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let record = Arc::clone(&recording);
                thread::spawn(move || record.serve(stream.unwrap()));
            }
        });
        Self { address, record }
    }

    /// The complete requests since the last call. Waits until no request is under way.
    pub(super) fn take(&self) -> Vec<Seen> {
        let state = self.record.state.lock().unwrap();
        let (mut state, timeout) =
            self.record.changed.wait_timeout_while(state, PATIENCE, |state| state.under_way > 0).unwrap();
        assert!(!timeout.timed_out(), "a request without a client is not given up: {state:?}");
        std::mem::take(&mut state.seen)
    }
}

impl Record {
    /// Serves a connection until it ends.
    fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        while fill(&mut stream, &mut bytes) {
            self.change(|state| state.under_way += 1);
            let seen = receive(&mut stream, &mut bytes);
            self.change(|state| {
                state.under_way -= 1;
                state.seen.extend(seen.clone());
            });
            let Some(seen) = seen else { return };
            let body = if seen.method == "HEAD" { "" } else { &seen.target };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.target.len());
            if stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).is_err() {
                return;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

/// Reads until there is at least a byte. Whether there is.
fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    !bytes.is_empty() || more(stream, bytes).is_some()
}

/// Reads what comes next. None at the end.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 65536];
    let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
    bytes.extend_from_slice(&part[..length]);
    Some(())
}

/// Everything up to `end`, which is taken from `bytes` with it.
fn until(stream: &mut TcpStream, bytes: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = bytes.windows(end.len()).position(|window| window == end) {
            return Some(bytes.drain(..at + end.len()).collect());
        }
        more(stream, bytes)?;
    }
}

fn exactly(stream: &mut TcpStream, bytes: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while bytes.len() < length {
        more(stream, bytes)?;
    }
    Some(bytes.drain(..length).collect())
}

/// One request. None when the connection ends within it.
fn receive(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Seen> {
    let head = until(stream, bytes, b"\r\n\r\n")?;
    let head = grammar::head(&head);
    let mut doubts = head.doubts;
    if head.expects {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let (length, framing) = match head.framing {
        Framing::None => (0, String::new()),
        Framing::Length(length) => (exactly(stream, bytes, length)?.len(), "by length".to_owned()),
        Framing::Chunked => chunks(stream, bytes, &mut doubts)?,
    };
    Some(Seen { method: head.method, target: head.target, length, framing, upgrade: head.upgrade, doubts })
}

/// A body in chunks, and its trailers.
fn chunks(stream: &mut TcpStream, bytes: &mut Vec<u8>, doubts: &mut Vec<String>) -> Option<(usize, String)> {
    let (mut length, mut trailers) = (0, 0);
    loop {
        let line = until(stream, bytes, b"\r\n")?;
        let size = grammar::chunk_size(&line, doubts);
        if size == 0 {
            break;
        }
        exactly(stream, bytes, size)?;
        length += size;
        if exactly(stream, bytes, 2)? != b"\r\n" {
            doubts.push("a chunk without its end".to_owned());
        }
    }
    loop {
        let line = until(stream, bytes, b"\r\n")?;
        if line == b"\r\n" {
            break;
        }
        trailers += 1;
        grammar::trailer(&line, doubts);
    }
    let framing =
        if trailers == 0 { "in chunks".to_owned() } else { format!("in chunks, {trailers} trailers") };
    Some((length, framing))
}

impl Seen {
    /// What it is, however it is framed.
    pub(super) fn essence(&self) -> String {
        let Self { method, target, length, upgrade, doubts, .. } = self;
        format!("{method} {target} {length} {upgrade:?} {doubts:?}")
    }

    /// Whether it is the request that tells whether a connection is in step.
    pub(super) fn is_probe(&self) -> bool {
        self.method == "GET" && self.target == "/probe" && self.framing.is_empty() && self.doubts.is_empty()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.method, shortened(&self.target))?;
        if !self.framing.is_empty() {
            write!(f, " with {} bytes {}", self.length, self.framing)?;
        }
        if let Some(upgrade) = &self.upgrade {
            write!(f, " asking for {upgrade}")?;
        }
        if !self.doubts.is_empty() {
            write!(f, " (in doubt: {})", self.doubts.join(", "))?;
        }
        Ok(())
    }
}

fn shortened(target: &str) -> String {
    let target: String = target.escape_debug().collect();
    if target.len() > 40 { format!("{}…", &target[..10]) } else { target }
}
