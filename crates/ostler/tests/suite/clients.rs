//! Clients as they are: uploads of any length, `Expect`, trailers, HTTP/1.0, and many at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::thread;

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::binary::{Ended, Ostler, rest};
use crate::raw::{Events, admin, get, open};
use crate::stage::{echo, node, serve};

const MIB: usize = 1 << 20;

fn curl(ostler: &Ostler, arguments: &[&str]) -> Ended {
    let mut command = Command::new("curl");
    let to = format!("a.localhost:80:{}", ostler.switchboard);
    command.args(["--silent", "--show-error", "--noproxy", "*", "--connect-to", &to]).args(arguments);
    command.output().unwrap().into()
}

/// Resident memory in bytes: `VmRSS` now, `VmHWM` at its highest.
fn memory(ostler: &Ostler, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", ostler.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// Reads one chunk; an empty one is the last.
fn read_chunk(reader: &mut impl BufRead) -> Vec<u8> {
    let mut size = String::new();
    reader.read_line(&mut size).unwrap();
    let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).unwrap() + 2];
    reader.read_exact(&mut chunk).unwrap();
    chunk.truncate(chunk.len() - 2);
    chunk
}

#[test]
fn sixty_four_megabytes_stream_both_ways_at_once_and_nothing_is_kept() {
    const LENGTH: usize = 64 * MIB;
    const PERIOD: usize = 251;
    let ostler = serve("", "", &node("a.localhost", ""));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let before = memory(&ostler, "VmRSS");
    let head = "Host: a.localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n";
    let mut sending = open(ostler.switchboard, "POST", "/back", head);
    let mut reader = BufReader::new(sending.try_clone().unwrap());
    let sender = thread::spawn(move || {
        // Every chunk begins where the pattern stands, so that a lost or swapped byte is seen.
        let pattern: Vec<u8> = (0..MIB + PERIOD).map(|at| (at % PERIOD) as u8).collect();
        for sent in (0..LENGTH).step_by(MIB) {
            write!(sending, "{MIB:x}\r\n").unwrap();
            sending.write_all(&pattern[sent % PERIOD..][..MIB]).unwrap();
            sending.write_all(b"\r\n").unwrap();
        }
        sending.write_all(b"0\r\n\r\n").unwrap();
    });
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut received = 0;
    loop {
        let chunk = read_chunk(&mut reader);
        if chunk.is_empty() {
            break;
        }
        let whole = chunk.iter().enumerate().all(|(at, byte)| usize::from(*byte) == (received + at) % PERIOD);
        assert!(whole, "other bytes behind {received}");
        received += chunk.len();
    }
    assert_eq!(received, LENGTH);
    sender.join().unwrap();
    let grown = memory(&ostler, "VmHWM").saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes more for a body of {LENGTH}");
}

#[test]
fn curl_sends_its_upload_when_it_is_told_to_go_on() {
    let ostler = serve("", "", &node("a.localhost", ""));
    let file = ostler.directory.write("upload", &"x".repeat(3 * MIB));
    // It would wait for a minute without the 100.
    let expect = ["--header", "Expect: 100-continue", "--expect100-timeout", "60", "--verbose"];
    for more in [&[][..], &["--header", "Transfer-Encoding: chunked"]] {
        let arguments = [&expect, more, &["--data-binary", &format!("@{file}"), "http://a.localhost/count"]];
        let ended = curl(&ostler, &arguments.concat());
        let counted: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(counted["length"], 3 * MIB);
        ended.with(0).complains("HTTP/1.1 100 Continue");
    }
}

#[test]
fn trailers_pass_both_ways() {
    let ostler = serve("", "", &node("a.localhost", ""));
    let head = "Host: a.localhost\r\nConnection: close\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\
                Trailer: X-Checksum\r\n";
    let mut stream = open(ostler.switchboard, "POST", "/trailers", head);
    stream.write_all(b"3\r\nabc\r\n0\r\nX-Checksum: 42\r\n\r\n").unwrap();
    let answer = rest(stream).to_lowercase();
    let (_, trailers) = answer.split_once("\r\n0\r\n").unwrap_or_else(|| panic!("{answer}"));
    assert!(trailers.contains("x-seen: 42\r\n") && trailers.contains("x-last: yes\r\n"), "{answer}");
}

#[test]
fn a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection() {
    let ostler = serve("", "", &[node("a.localhost", ""), echo("b.localhost", "")].concat());
    for (host, path) in [("a.localhost", "/back"), ("b.localhost", "/")] {
        let mut stream = std::net::TcpStream::connect(ostler.switchboard).unwrap();
        write!(stream, "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        let answer = rest(stream);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.") && head.contains(" 200 "), "{answer}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{answer}");
        assert!(body == "hello" || body.starts_with("{\""), "{answer}");
    }
    curl(&ostler, &["--http1.0", "http://a.localhost/"]).with(0).says("a.localhost by ");
    // Without a host nobody is meant.
    let mut stream = std::net::TcpStream::connect(ostler.switchboard).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let answer = rest(stream);
    assert!(answer.contains(" 400 ") || answer.contains(" 404 "), "{answer}");
}

#[tokio::test]
async fn a_hundred_hosts_with_twenty_first_requests_each_are_a_hundred_starts_and_no_error() {
    const HOSTS: usize = 100;
    const EACH: usize = 20;
    // A descriptor for each request, which is more than some systems give without being asked.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();

    let pool = "max_servers = 200\nmax_waiting = 2000";
    let ostler = serve("", pool, &echo("*.localhost", "max = 200"));
    let mut events = Events::follow(ostler.admin, None);
    let mut requests = JoinSet::new();
    for number in 0..HOSTS * EACH {
        let (switchboard, host) = (ostler.switchboard, format!("h{}.localhost", number % HOSTS));
        requests.spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(switchboard).await.unwrap();
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&host), "{host}: {answer}");
        });
    }
    let answers = requests.join_all().await.len();
    assert_eq!(answers, HOSTS * EACH);
    let mut started = BTreeSet::new();
    let mut ready = 0;
    while ready < HOSTS {
        let event = events.next().unwrap();
        match event["kind"].as_str().unwrap() {
            "started" => assert!(started.insert(event["key"].to_string()), "a twin: {event}"),
            "ready" => ready += 1,
            _ => panic!("{event}"),
        }
    }
    assert_eq!(started.len(), HOSTS);
    let servers = admin(ostler.admin, "GET", "/servers").with(200).json();
    assert_eq!(servers.as_array().unwrap().len(), HOSTS);
    let requests = servers.as_array().unwrap().iter().map(|server| server["requests"].as_u64().unwrap());
    assert_eq!(requests.sum::<u64>(), (HOSTS * EACH) as u64);
}
