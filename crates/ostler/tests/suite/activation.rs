//! Sockets that a service manager has bound.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::binary::{Directory, Ended, Ostler, PROGRAM, free_ports};
use crate::lineage::{adopt_orphans, replace};
use crate::raw::get;
use crate::stage::node;

const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/activate.py");

/// A port that is free now.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn configured(switchboard: &str, admin: &str) -> Directory {
    let directory = Directory::new();
    directory.write(
        "ostler.toml",
        &format!(
            "[switchboard]\nlisten = {switchboard}\n[admin]\nlisten = {admin}\n[pool]\nbase_port = {}\n{}",
            free_ports(),
            node("a.localhost", "env_pass = [\"LISTEN_FDS\", \"LISTEN_PID\", \"LISTEN_FDNAMES\"]")
        ),
    );
    directory
}

fn activated(directory: &Directory, sockets: &[&str]) -> Ended {
    let arguments = [&[LAUNCHER, PROGRAM], sockets, &["--", "up"]].concat();
    std::process::Command::new("python3")
        .args(arguments)
        .current_dir(directory.path(""))
        .output()
        .unwrap()
        .into()
}

fn served_over(socket: &str) -> bool {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 200")
}

/// What a process has open, as `/proc` tells it.
fn sockets_of(pid: &str) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.display().to_string()).filter(|link| link.starts_with("socket:")).collect()
}

#[test]
fn passed_sockets_are_served_handed_on_and_left_to_their_owner() {
    adopt_orphans();
    let port = port();
    let directory = configured(&format!("[\"127.0.0.1:{port}\", \"unix:s.sock\"]"), "\"127.0.0.1:0\"");
    let socket = directory.path("s.sock");
    let (tcp, unix) = (format!("tcp:{port}=web"), format!("unix:{socket}=local"));
    let arguments = [LAUNCHER, PROGRAM, &unix, &tcp, "--", "up"];
    let mut ostler = Ostler::up_as("python3", directory, &arguments, &[]);
    assert_eq!(ostler.switchboard.port(), port);
    assert!(served_over(&socket));

    let itself = get(ostler.switchboard, "a.localhost", "/self").with(200).json();
    for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
        assert!(itself["environment"].get(name).is_none(), "{itself}");
    }
    let ours = sockets_of(&ostler.pid().to_string());
    let childs = sockets_of(&itself["pid"].to_string());
    assert!(childs.iter().all(|socket| !ours.contains(socket)), "{ours:?} {childs:?}");

    let successor = replace(&ostler);
    assert_eq!(ostler.exited(), Some(0));
    assert!(served_over(&socket));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
    assert!(fs::exists(&socket).unwrap(), "the service manager has it open, and will pass it again");
}

#[test]
fn a_passed_socket_that_nothing_is_configured_for_is_named() {
    let (wanted, other) = (port(), port());
    let directory = configured(&format!("\"127.0.0.1:{wanted}\""), "\"127.0.0.1:0\"");
    let sockets = [format!("tcp:{wanted}=web"), format!("tcp:{other}=stray")];
    activated(&directory, &[&sockets[0], &sockets[1]])
        .with(1)
        .complains(&format!("a socket on 127.0.0.1:{other} (`stray`), but no `listen`"))
        .complains("socket unit");
}

#[test]
fn a_passed_descriptor_that_cannot_be_accepted_on_is_named() {
    let directory = configured("\"127.0.0.1:0\"", "\"127.0.0.1:0\"");
    for kind in ["udp:0=odd", &format!("file:{}=odd", directory.path("file"))] {
        activated(&directory, &[kind])
            .with(1)
            .complains("descriptor 3 (`odd`), but it is no TCP or Unix stream socket");
    }
}

#[test]
fn sockets_for_another_process_are_not_touched() {
    let directory = configured("\"127.0.0.1:0\"", "\"127.0.0.1:0\"");
    let ostler = Ostler::up(directory, &["up"], &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]);
    get(ostler.switchboard, "a.localhost", "/").with(200);
}
