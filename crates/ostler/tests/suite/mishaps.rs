//! What happens at a bad moment: in the middle of a start, of an upload, of a WebSocket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::{Ostler, rest};
use crate::raw::{Events, admin, get, open};
use crate::stage::{SOON, carrying, echo, node, node_with, nothing_is_left, serve, server};

const UPGRADE: &str = "Host: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn kill(ostler: &Ostler, key: &str) {
    let pid = server(ostler, key)["pid"].as_i64().unwrap().try_into().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// The first line of what comes.
fn line(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_signal_in_the_middle_of_a_start_leaves_no_half_started_child() {
    for signal in [Signal::TERM, Signal::KILL] {
        let servers = node_with("a.localhost", "never-ready", "start_timeout = \"1m\"");
        let ostler = serve("drain_timeout = \"50ms\"", "", &servers);
        let mut events = Events::follow(ostler.admin, None);
        let waiting = open(ostler.switchboard, "GET", "/", "Host: a.localhost\r\n");
        events.next_of("started");
        ostler.signal(signal);
        let (code, log, directory) = ostler.end_with_directory();
        assert_eq!(code, (signal == Signal::TERM).then_some(3), "{log}");
        // A child that never answered has told nobody its mark, but this it has from its Ostler as well.
        nothing_is_left(&directory, &directory.path("run"), SOON);
        drop(waiting);
    }
}

#[test]
fn a_start_that_takes_too_long_is_a_504_of_its_own_host() {
    let slow = node_with("a.localhost", "never-ready", "start_timeout = \"300ms\"");
    let ostler = serve("", "", &[slow, echo("b.localhost", "")].concat());
    let mut events = Events::follow(ostler.admin, None);
    let waiting = open(ostler.switchboard, "GET", "/", "Host: a.localhost\r\nConnection: close\r\n");
    get(ostler.switchboard, "b.localhost", "/").with(200);
    let answer = rest(waiting);
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("start-timed-out"), "{answer}");
    assert_eq!(events.next_of("stopped")["key"], "a.localhost");
    // Nobody but Ostler and its guard.
    let mut left = carrying(&ostler.directory.path("run"));
    left.retain(|pid| *pid != i32::try_from(ostler.pid()).unwrap());
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_client_that_gives_up_in_the_middle_of_its_upload_ends_the_exchange() {
    let ostler = serve("", "", &node("a.localhost", ""));
    let mut events = Events::follow(ostler.admin, None);
    let mut upload =
        open(ostler.switchboard, "POST", "/upload", "Host: a.localhost\r\nContent-Length: 1000000\r\n");
    upload.write_all(&[0; 1000]).unwrap();
    let ready = events.next_of("ready");
    // Straight to the child, so that it is no use that Ostler counts.
    let child = ready["address"].as_str().unwrap().parse().unwrap();
    let mut gone = BufReader::new(open(child, "GET", "/gone", "Host: a\r\nConnection: close\r\n"));
    // Given up before the child knows of it, it would be none in the middle.
    assert!(gone.by_ref().lines().any(|line| line.unwrap() == "begun"));
    assert_eq!(server(&ostler, "a.localhost")["leases"], 1);
    drop(upload);
    assert!(rest(gone).contains("gone"));
    // Nothing holds the child any more.
    while server(&ostler, "a.localhost")["leases"] != 0 {}
}

#[test]
fn a_killed_child_ends_its_uploads_and_its_websockets_and_nobody_elses() {
    let ostler = serve("", "", &[node("a.localhost", ""), node("b.localhost", "")].concat());
    let socket = open(ostler.switchboard, "GET", "/ws", UPGRADE);
    assert!(line(&socket).contains("101"));
    let other = open(ostler.switchboard, "GET", "/ws", &UPGRADE.replace("a.localhost", "b.localhost"));
    assert!(line(&other).contains("101"));
    let head = "Host: a.localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 9\r\n";
    let upload = open(ostler.switchboard, "POST", "/count", head);
    assert!(line(&upload).contains("100"));
    kill(&ostler, "a.localhost");

    let answer = rest(upload);
    assert!(answer.contains("HTTP/1.1 502") && answer.contains("upstream-died"), "{answer}");
    let _ = socket.set_read_timeout(Some(Duration::from_secs(20)));
    std::io::copy(&mut &socket, &mut std::io::sink()).expect("it ends");
    // A ping, masked with zeros.
    (&other).write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let mut pong = [0; 4];
    Read::read_exact(&mut &other, &mut pong).unwrap();
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
}

#[test]
fn strangers_spell_a_host_as_they_like_and_get_one_server() {
    let ostler = serve("", "", &echo("*.localhost", "max = 2"));
    for host in
        ["shop.localhost", "SHOP.LocalHost", "shop.localhost.", "Shop.localhost:8000", "shop.localhost.:1"]
    {
        get(ostler.switchboard, host, "/").with(200);
    }
    let servers = admin(ostler.admin, "GET", "/servers").with(200).json();
    let keys: Vec<&Value> = servers.as_array().unwrap().iter().map(|server| &server["key"]).collect();
    assert_eq!(keys, ["shop.localhost"]);
}
