//! HTTP as bytes: what a test sends is what is on the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

/// A response as far as tests look at it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lower case, one a line.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An open event stream.
#[derive(Debug)]
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    /// The id to come back with.
    pub(crate) id: String,
}

/// An upstream that takes requests and does not answer them.
#[derive(Debug)]
pub(crate) struct Stuck {
    listener: TcpListener,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the status.
    #[track_caller]
    pub(crate) fn with(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Asserts that it is a problem document of this name.
    #[track_caller]
    pub(crate) fn is_problem(&self, name: &str) {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        assert_eq!(self.json()["type"], format!("urn:ostler:problem:{name}"), "{self:?}");
        assert_eq!(self.json()["status"], self.status, "{self:?}");
    }
}

/// Sends a GET and reads the whole answer.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Reply {
    send(address, "GET", path, &format!("Host: {host}\r\n"))
}

/// Asks the admin API.
pub(crate) fn admin(address: SocketAddr, method: &str, path: &str) -> Reply {
    send(address, method, path, &format!("Host: {address}\r\n"))
}

/// Sends a request with these header lines, and reads until the other side closes.
pub(crate) fn send(address: SocketAddr, method: &str, target: &str, headers: &str) -> Reply {
    let mut stream = open(address, method, target, &format!("Connection: close\r\n{headers}"));
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    parse(&bytes)
}

/// Sends a request and leaves it open.
pub(crate) fn open(address: SocketAddr, method: &str, target: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {target} HTTP/1.1\r\n{headers}\r\n").unwrap();
    stream
}

fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
    Reply { status, head, body }
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, chunk)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&chunk[..size]);
        rest = chunk[size..].trim_start_matches("\r\n");
    }
    body
}

impl Events {
    /// Follows the events behind `last`; from here on nothing is missed.
    pub(crate) fn follow(address: SocketAddr, last: Option<&str>) -> Self {
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let stream = open(address, "GET", "/events", &format!("Host: {address}\r\n{last}"));
        let mut events = Self { reader: BufReader::new(stream), id: String::new() };
        assert!(events.line().unwrap().contains("200"));
        while events.id.is_empty() {
            let line = events.line().unwrap();
            events.id = line.strip_prefix("id: ").unwrap_or_default().to_owned();
        }
        events
    }

    /// The next event; None at the end of a stream that was ended as it should be.
    pub(crate) fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.line().expect("a stream ends with its last chunk, not before");
            if line == "0" {
                return None;
            }
            if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.id);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The next event of this kind.
    pub(crate) fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended without {kind}"));
            if event["kind"] == kind {
                return event;
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.reader.read_line(&mut line).unwrap();
        (length > 0).then(|| line.trim_end().to_owned())
    }
}

impl Stuck {
    pub(crate) fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// A `[[server]]` that is this one, as `stuck.localhost`.
    pub(crate) fn server(&self) -> String {
        format!(
            "[[server]]\nhost = \"stuck.localhost\"\nurl = \"http://{}\"\n",
            self.listener.local_addr().unwrap()
        )
    }

    /// Sends a request through the switchboard that stays in flight until either of the returned streams is dropped.
    pub(crate) fn request(&self, switchboard: SocketAddr) -> (TcpStream, TcpStream) {
        let client = open(switchboard, "GET", "/", "Host: stuck.localhost\r\n");
        let (server, _) = self.listener.accept().unwrap();
        let mut head = String::new();
        BufReader::new(&server).read_line(&mut head).unwrap();
        (client, server)
    }
}
