//! How Ostler ends, and that nothing is left however that is.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{Ostler, rest};
use crate::keep_alive::Load;
use crate::raw::{get, open};
use crate::stage::{
    SOON, carrying, echo, ends_within, is_alive, mark, node, node_with, nothing_is_left, serve, server,
};

/// A descendant of the server `a.localhost` that has left its session.
fn grandchild(ostler: &Ostler) -> i32 {
    get(ostler.switchboard, "a.localhost", "/grandchild").with(200).body.parse().unwrap()
}

pub(crate) fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// An upload that has begun: its server has the head and waits for the rest.
pub(crate) fn upload(ostler: &Ostler, host: &str) -> TcpStream {
    let headers = format!("Host: {host}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
    let mut stream = open(ostler.switchboard, "POST", "/count", &headers);
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).unwrap();
    assert!(line.contains("100"), "{line}");
    stream
}

#[test]
fn after_kill_9_a_grandchild_in_a_session_of_its_own_is_gone_within_two_seconds() {
    let ostler = serve("", "", &[node("a.localhost", ""), node("b.localhost", "socket = true")].concat());
    let mark = mark(&ostler, "a.localhost");
    get(ostler.switchboard, "b.localhost", "/").with(200);
    let grandchild = grandchild(&ostler);
    assert!(is_alive(grandchild));
    ostler.signal(Signal::KILL);
    let (code, _, directory) = ostler.end_with_directory();
    assert_eq!(code, None);
    ends_within(grandchild, SOON);
    nothing_is_left(&directory, &mark, SOON);
}

#[test]
fn on_sigterm_under_load_all_that_is_in_flight_is_finished() {
    const UPLOADS: usize = 8;
    const CLIENTS: usize = 8;
    let ostler = serve("", "", &[node("a.localhost", ""), echo("b.localhost", "")].concat());
    let mark = mark(&ostler, "a.localhost");
    let grandchild = grandchild(&ostler);
    let uploads: Vec<_> = (0..UPLOADS).map(|_| upload(&ostler, "a.localhost")).collect();
    let load = ["a.localhost", "b.localhost"].map(|host| Load::on(ostler.switchboard, host, CLIENTS));
    load.iter().for_each(|load| load.goes_on_for(100));
    ostler.signal(Signal::TERM);
    ostler.has_said("draining");
    let seen = load.map(Load::ended);
    for mut upload in uploads {
        upload.write_all(b"5\r\nhello\r\n0\r\n\r\n").unwrap();
        let answer = rest(upload);
        assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"length\":5"), "{answer}");
    }
    let (code, log, directory) = ostler.end_with_directory();
    assert_eq!(code, Some(143), "{log}");
    for seen in seen {
        assert!(seen.cut.is_empty(), "{:?}", seen.cut);
        // What had not been read when the connection was closed, as any client of a keep-alive connection must expect.
        assert!(seen.unanswered <= CLIENTS, "{}", seen.unanswered);
        let other = seen.answers.iter().find(|answer| answer.status != 200);
        assert!(other.is_none(), "{other:?}");
    }
    assert!(!is_alive(grandchild));
    nothing_is_left(&directory, &mark, SOON);
}

#[test]
fn a_child_that_does_not_end_when_asked_is_made_to() {
    let ostler = serve("", "", &node_with("a.localhost", "stays", "kill_timeout = \"50ms\""));
    let mark = mark(&ostler, "a.localhost");
    ostler.signal(Signal::INT);
    let (code, log, directory) = ostler.end_with_directory();
    assert_eq!(code, Some(130), "{log}");
    nothing_is_left(&directory, &mark, SOON);
}

#[test]
fn a_second_signal_does_not_wait_for_requests_nor_for_children() {
    let ostler = serve("", "", &node_with("a.localhost", "stays", "kill_timeout = \"1m\""));
    let mark = mark(&ostler, "a.localhost");
    let upload = upload(&ostler, "a.localhost");
    ostler.signal(Signal::TERM);
    ostler.has_said("draining");
    ostler.signal(Signal::TERM);
    let (code, log, directory) = ostler.end_with_directory();
    assert_eq!(code, Some(3), "{log}");
    nothing_is_left(&directory, &mark, SOON);
    drop(upload);
}

#[test]
fn a_third_signal_ends_ostler_at_once_and_its_guard_ends_the_rest() {
    let ostler = serve("", "", &node_with("a.localhost", "stays", "kill_timeout = \"1m\""));
    let mark = mark(&ostler, "a.localhost");
    let upload = upload(&ostler, "a.localhost");
    ostler.signal(Signal::TERM);
    ostler.has_said("draining");
    // Stopped meanwhile, so that it finds both at once and has no time to end for the second.
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        ostler.signal(signal);
    }
    let (code, log, directory) = ostler.end_with_directory();
    assert!([Some(130), Some(143)].contains(&code), "{code:?} {log}");
    nothing_is_left(&directory, &mark, SOON);
    drop(upload);
}

#[test]
fn what_a_killed_ostler_and_its_killed_guard_leave_is_swept_by_the_next_start() {
    let ostler = serve("", "", &[node("a.localhost", ""), node("b.localhost", "socket = true")].concat());
    let mark = mark(&ostler, "a.localhost");
    get(ostler.switchboard, "b.localhost", "/").with(200);
    let grandchild = grandchild(&ostler);
    let child = server(&ostler, "a.localhost")["pid"].as_i64().unwrap().try_into().unwrap();
    // Stopped, so that it does not start another guard.
    ostler.signal(Signal::STOP);
    for guard in carrying(&format!("OSTLER_GUARD_INSTANCE={mark}")) {
        kill(guard);
        ends_within(guard, SOON);
    }
    ostler.signal(Signal::KILL);
    let (_, _, directory) = ostler.end_with_directory();
    ends_within(child, SOON);
    let runtime = directory.path("run");
    assert_eq!(fs::read_dir(&runtime).unwrap().count(), 1, "nobody was there to remove it");

    let next = Ostler::up(directory, &["up"], &[("XDG_RUNTIME_DIR", &runtime)]);
    assert!(!is_alive(grandchild), "swept before it serves");
    next.signal(Signal::TERM);
    let (code, log, directory) = next.end_with_directory();
    assert_eq!(code, Some(143), "{log}");
    nothing_is_left(&directory, &mark, SOON);
}

#[test]
fn stop_of_a_server_ends_its_grandchildren_too() {
    let ostler = serve("", "", &node("a.localhost", ""));
    let grandchild = grandchild(&ostler);
    let stop = ostler.command(&["stop", "a.localhost"]).stdout(Stdio::null()).status().unwrap();
    assert!(stop.success());
    assert!(!is_alive(grandchild));
}
