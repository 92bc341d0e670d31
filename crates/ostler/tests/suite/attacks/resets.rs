//! Connections that are reset, from either side, at every point of an exchange.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::victim::{Victim, reset};
use crate::raw::get;

/// How often each point is tried.
const TIMES: usize = 5;

const GET: &str = "GET /ok HTTP/1.1\r\nHost: a.localhost\r\n\r\n";

/// What a client has done when it goes away.
struct Point {
    what: &'static str,
    sends: &'static str,
    /// How many requests the server has then, and has not answered.
    exchanges: usize,
    /// How many bytes the client has read.
    reads: usize,
}

const fn point(what: &'static str, sends: &'static str, exchanges: usize, reads: usize) -> Point {
    Point { what, sends, exchanges, reads }
}

const POINTS: [Point; 14] = [
    point("connected", "", 0, 0),
    point("begun a method", "GE", 0, 0),
    point("sent half a head", "GET /ok HTTP/1.1\r\nHost: a.localhost\r\n", 0, 0),
    point("sent a request", GET, 0, 0),
    point("been answered", GET, 0, 40),
    point("waited for an answer", "GET /wait HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 1, 0),
    point(
        "waited, with another request behind",
        "GET /wait HTTP/1.1\r\nHost: a.localhost\r\n\r\nGET /ok HTTP/1.1\r\nHost: a.localhost\r\n\r\n",
        1,
        0,
    ),
    point(
        "sent half a body",
        "POST /wait HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 1000\r\n\r\nhello",
        1,
        0,
    ),
    point(
        "sent half a chunk",
        "POST /wait HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        1,
        0,
    ),
    point(
        "asked whether to go on",
        "POST /wait HTTP/1.1\r\nHost: a.localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        1,
        0,
    ),
    point("read half a head", "GET /big HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 1, 10),
    point("read half a body", "GET /big HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 1, 100_000),
    point("read some chunks", "GET /chunks HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 1, 1000),
    point(
        "sent half a WebSocket frame",
        "GET /ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        1,
        60,
    ),
];

/// A client that has come to this point.
fn at(victim: &Victim, point: &Point) -> TcpStream {
    let mut stream = victim.connect();
    stream.write_all(point.sends.as_bytes()).unwrap();
    victim.until_exchanges(point.exchanges, point.what);
    stream.read_exact(&mut vec![0; point.reads]).unwrap_or_else(|error| panic!("{}: {error}", point.what));
    if point.sends.starts_with("GET /ws") {
        stream.write_all(&[0x82, 0xfe, 0x10]).unwrap();
    }
    stream
}

#[test]
fn a_client_that_resets_its_connection_leaves_nothing_at_whatever_point() {
    let victim = Victim::new("");
    for point in &POINTS {
        for _ in 0..TIMES {
            reset(at(&victim, point));
            // The server is told too: whatever it was making for this client ends.
            victim.until_exchanges(0, point.what);
        }
        victim.is_unharmed(point.what);
    }
    victim.end();
}

#[test]
fn a_client_that_closes_its_connection_leaves_nothing_at_whatever_point() {
    let victim = Victim::new("");
    for point in &POINTS {
        drop(at(&victim, point));
        victim.is_unharmed(point.what);
    }
    victim.end();
}

#[test]
fn a_client_that_says_no_more_but_listens_is_answered_or_let_go() {
    let victim = Victim::new("header_timeout = \"200ms\"\nidle_timeout = \"200ms\"");
    for point in POINTS.iter().filter(|point| point.exchanges == 0) {
        let mut stream = at(&victim, point);
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // It ends in time, in whatever way.
        let end = stream.read_to_end(&mut rest).map_err(|error| error.kind());
        assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "{}: the connection stays", point.what);
        victim.is_unharmed(point.what);
    }
    victim.end();
}

#[test]
fn a_server_that_resets_before_its_answer_is_complete_is_never_taken_for_one_that_has_answered() {
    let victim = Victim::new("");
    for path in ["/reset-at-once", "/reset-in-head"] {
        for _ in 0..TIMES {
            get(victim.ostler.switchboard, "a.localhost", path).with(502).is_problem("upstream-died");
        }
        victim.is_unharmed(path);
    }
    for path in ["/reset-in-body", "/reset-in-chunk", "/reset-between-chunks"] {
        for _ in 0..TIMES {
            let mut stream = victim.connect();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: a.localhost\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            // A reset tells it too.
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8(answer).unwrap();
            if let Some((_, body)) = answer.split_once("\r\n\r\n") {
                assert!(body.len() < 100 && !body.contains("0\r\n\r\n"), "{path} looks complete: {answer:?}");
            }
        }
        victim.is_unharmed(path);
    }
    victim.end();
}
