//! Each bound of `[switchboard]` on the client it is there for, from the configuration file to what that client sees.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use super::victim::{Victim, until};

/// What the last client of a bound sees.
#[derive(Clone, Copy, Debug)]
enum Sees {
    /// A response with this status, and the end.
    Status(u16),
    /// The end, without a word.
    Silence,
    /// A reset while it does not read.
    Reset,
}

/// The keys, what a client that stays within them sends, what one sends that does not, what that sees, and how it is told.
type Bound = (&'static str, String, String, Sees, &'static str);

fn get(more: &str) -> String {
    format!("GET /ok HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n{more}\r\n")
}

/// Nobody answers before its body has come.
fn upload(length: usize, body: &str) -> String {
    format!("POST /upload HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn bounds() -> Vec<Bound> {
    use Sees::{Reset, Silence, Status};
    let long = |length: usize| get(&format!("X-Long: {}\r\n", "x".repeat(length)));
    let chunked = |more: &str| {
        let head = "POST /upload HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked";
        format!("{head}\r\n\r\n2\r\nok\r\n0\r\n{more}\r\n")
    };
    let many = |count: usize| get(&"X-One: 1\r\n".repeat(count));
    let (ok, half, big) = (get(""), upload(100, "half"), get("").replace("/ok", "/big"));
    let slow = "body_read_deadline_exceeded";
    vec![
        ("max_head_size = 1024", long(700), long(1_100), Status(431), "headers_too_large"),
        ("max_headers = 4", many(2), many(3), Status(431), "headers_too_large"),
        ("max_header_size = 100", long(60), long(120), Status(431), "headers_too_large"),
        (
            "max_trailer_size = 20",
            ok.clone(),
            chunked("X-Long: 0123456789012345\r\n"),
            Status(431),
            "headers_too_large",
        ),
        ("max_body_size = 10", ok.clone(), upload(11, "hello world"), Status(413), "body_too_large"),
        ("header_timeout = \"200ms\"", ok.clone(), "GET /ok HTT".to_owned(), Status(408), "header_timeout"),
        ("idle_timeout = \"200ms\"", ok.clone(), String::new(), Silence, "idle_timeout"),
        ("body_timeout = \"200ms\"", ok.clone(), half.clone(), Status(408), slow),
        ("read_timeout = \"200ms\"", ok.clone(), half.clone(), Status(408), slow),
        ("min_receive_rate = 1_000\nrate_window = \"200ms\"", ok.clone(), half, Status(408), slow),
        (
            "write_timeout = \"200ms\"\nmin_send_rate = \"never\"",
            ok.clone(),
            big.clone(),
            Reset,
            "write_stalled",
        ),
        ("write_timeout = \"never\"\nrate_window = \"200ms\"", ok, big, Reset, "write_stalled"),
    ]
}

#[test]
fn every_bound_on_a_client_is_in_force_and_told() {
    for (keys, within, beyond, sees, event) in bounds() {
        let victim =
            Victim::with_log(&format!("default_host = \"a.localhost\"\n{keys}"), "info,ostler_http=debug");
        let mut client = victim.connect();
        client.write_all(within.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{keys}: {answer}");

        let mut client = victim.connect();
        client.write_all(beyond.as_bytes()).unwrap();
        let mut answer = String::new();
        match sees {
            Sees::Status(status) => {
                client.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{keys}: {answer}");
            }
            Sees::Silence => assert_eq!(client.read_to_string(&mut answer).unwrap(), 0, "{keys}: {answer}"),
            Sees::Reset => {
                // Once it has been accepted.
                victim.until_exchanges(1, "asked for much");
                victim.until_connections(0);
                let error = std::io::copy(&mut client, &mut std::io::sink()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{keys}");
            }
        }
        drop(client);
        victim.is_unharmed(keys);
        let log = victim.end();
        assert_eq!(
            log.lines().filter(|line| line.contains(&format!(" {event} "))).count(),
            1,
            "{keys}: {log}"
        );
    }
}

#[test]
fn one_connection_more_than_allowed_is_told_503_until_another_has_left() {
    let victim = Victim::with_log("max_connections = 1", "info");
    let first = victim.connect();
    victim.until_connections(1);
    let mut answer = String::new();
    victim.connect().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(first);
    victim.is_unharmed("been one too many");
}

/// A client that has been refused and goes on sending is listened to for this long, and for so many bytes.
#[test]
fn a_refused_client_is_listened_to_within_its_bounds() {
    for bound in ["linger_timeout = \"200ms\"", "linger_size = 1_000_000"] {
        let victim = Victim::new(&format!("default_host = \"a.localhost\"\nmax_body_size = 10\n{bound}"));
        let mut client = victim.connect();
        client.write_all(upload(usize::MAX >> 8, "").as_bytes()).unwrap();
        // It never reads, and sends until it is reset.
        until("end", || client.write_all(&[b'x'; 65_536]).is_err());
        let _ = client.shutdown(Shutdown::Both);
        victim.is_unharmed(bound);
    }
}
