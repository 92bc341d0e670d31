//! A successor takes over: the same sockets, servers of its own, and an orderly end of the one before.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixStream};

use futures::StreamExt;
use rustix::process::Signal;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::binary::{Ostler, rest};
use crate::endings::{kill, upload};
use crate::lineage::{PATIENCE, Successor, adopt_orphans, installed, replace};
use crate::raw::{Events, Stuck, admin, get};
use crate::stage::{
    SOON, carrying, echo, ends_within, is_alive, mark, node, nothing_is_left, serve, serve_with, server,
};
use crate::streams::{BOTH, both, event_stream, next, websocket};

/// The pid of a server's process.
fn pid(ostler: &Ostler, host: &str) -> i32 {
    server(ostler, host)["pid"].as_i64().unwrap().try_into().unwrap()
}

#[test]
fn a_successor_serves_at_the_same_addresses_and_the_one_before_ends_with_0() {
    adopt_orphans();
    let mut ostler = serve("", "", &echo("a.localhost", ""));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let mut events = Events::follow(ostler.admin, None);

    let successor = replace(&ostler);
    let started = events.next_of("replacement_started");
    assert_eq!(started["pid"], successor.pid());
    let replaced = events.next_of("replaced");
    assert_eq!(
        (&replaced["pid"], &replaced["version"]),
        (&successor.pid().into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert_eq!(ostler.exited(), Some(0));
    assert_eq!(events.next_of("stopped")["key"], "a.localhost");
    assert!(events.next().is_none(), "the stream ends whole");

    get(ostler.switchboard, "a.localhost", "/").with(200);
    ostler.ask(&["ps"]).with(0).says("a.localhost");
    let metrics = admin(ostler.admin, "GET", "/metrics").with(200).body;
    assert!(metrics.contains("ostler_replacements_total{outcome=\"done\"} 0"), "{metrics}");
    ostler.ask(&["drain"]).with(0);
    assert_eq!(successor.exited(), Some(0));
    let (_, log) = ostler.end();
    assert!(log.contains("taken over predecessor="), "{log}");
}

#[test]
fn sigusr2_replaces_too_and_so_again_and_again() {
    adopt_orphans();
    let mut ostler = serve("", "", &echo("a.localhost", ""));
    let mut events = Events::follow(ostler.admin, None);
    ostler.signal(Signal::USR2);
    let first = Successor::with_pid(&events.next_of("replaced")["pid"]);
    assert_eq!(ostler.exited(), Some(0));
    let mut events = Events::follow(ostler.admin, None);
    first.signal(Signal::USR2);
    let second = Successor::with_pid(&events.next_of("replaced")["pid"]);
    assert_eq!(first.exited(), Some(0));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(second.ended_by(Signal::TERM), Some(143));
}

#[test]
fn those_who_follow_the_events_go_on_with_the_successor() {
    adopt_orphans();
    let ostler = serve("", "", &echo("a.localhost", ""));
    let mut command = ostler.command(&["events"]);
    let mut following =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let log = crate::binary::Log::of(following.stderr.take().unwrap());
    log.wait_for("following ");
    let successor = replace(&ostler);
    log.wait_for("following again");
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(admin(ostler.admin, "POST", "/drain").status, 200);
    let told = rest(following.stdout.take().unwrap());
    assert!(following.wait().unwrap().success());
    for words in ["replacement_started", "replaced", "ready", "stopped"] {
        assert!(told.contains(words), "no {words} in {told}");
    }
    drop(successor);
}

#[test]
fn the_file_of_a_unix_socket_stays_and_goes_with_the_last_one() {
    adopt_orphans();
    let directory = crate::binary::Directory::new();
    let (switchboard, admin) = (directory.path("s.sock"), directory.path("a.sock"));
    // The successor finds the one by another spelling.
    directory.write(
        "ostler.toml",
        &format!(
            "[switchboard]\nlisten = [\"127.0.0.1:0\", \"unix:s.sock\"]\n[admin]\nlisten = [\"127.0.0.1:0\", \
             \"unix:{admin}\"]\n{}",
            echo("a.localhost", "")
        ),
    );
    let mut ostler = Ostler::up(directory, &["up"], &[]);
    let files = || {
        [&switchboard, &admin].map(|path| fs::metadata(path).is_ok_and(|file| file.file_type().is_socket()))
    };
    let successor = replace(&ostler);
    assert_eq!(ostler.exited(), Some(0));
    assert_eq!(files(), [true, true]);
    let mut stream = UnixStream::connect(&switchboard).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
    assert_eq!(files(), [false, false]);
}

#[test]
fn each_of_the_two_has_servers_of_its_own_on_ports_of_their_own() {
    adopt_orphans();
    let mut ostler = serve("", "", &node("a.localhost", ""));
    let old_mark = mark(&ostler, "a.localhost");
    let old = pid(&ostler, "a.localhost");
    let old_port = server(&ostler, "a.localhost")["port"].clone();
    let mut upload = upload(&ostler, "a.localhost");

    let successor = replace(&ostler);
    let new_mark = mark(&ostler, "a.localhost");
    let new = pid(&ostler, "a.localhost");
    assert_ne!((old, &old_mark), (new, &new_mark));
    assert_ne!(old_port, server(&ostler, "a.localhost")["port"]);
    assert!(is_alive(old), "the successor's sweep has left it");

    upload.write_all(b"5\r\nhello\r\n0\r\n\r\n").unwrap();
    let answer = rest(upload);
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"length\":5"), "{answer}");
    assert_eq!(ostler.exited(), Some(0));
    assert!(!is_alive(old) && carrying(&old_mark).is_empty());
    assert!(is_alive(new), "the end of the one before has left it");
    get(ostler.switchboard, "a.localhost", "/").with(200);

    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
    let (_, _, directory) = ostler.end_with_directory();
    nothing_is_left(&directory, &old_mark, SOON);
    nothing_is_left(&directory, &new_mark, SOON);
}

#[test]
fn a_kill_of_the_one_before_takes_its_servers_and_not_the_successors() {
    adopt_orphans();
    let mut ostler = serve("", "", &node("a.localhost", ""));
    let old_mark = mark(&ostler, "a.localhost");
    let upload = upload(&ostler, "a.localhost");
    let successor = replace(&ostler);
    let new_mark = mark(&ostler, "a.localhost");
    let grandchild = get(ostler.switchboard, "a.localhost", "/grandchild").with(200).body.parse().unwrap();

    ostler.signal(Signal::KILL);
    assert_eq!(ostler.exited(), None);
    for pid in carrying(&old_mark) {
        ends_within(pid, SOON);
    }
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert!(is_alive(grandchild));
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
    let (_, _, directory) = ostler.end_with_directory();
    nothing_is_left(&directory, &new_mark, SOON);
    drop(upload);
}

#[test]
fn a_kill_of_the_successor_takes_its_servers_and_not_what_the_one_before_still_answers() {
    adopt_orphans();
    let mut ostler = serve("", "", &node("a.localhost", ""));
    let old_mark = mark(&ostler, "a.localhost");
    let mut upload = upload(&ostler, "a.localhost");
    let successor = replace(&ostler);
    let new_mark = mark(&ostler, "a.localhost");
    let grandchild = get(ostler.switchboard, "a.localhost", "/grandchild").with(200).body.parse().unwrap();

    kill(successor.pid());
    for pid in carrying(&new_mark) {
        ends_within(pid, SOON);
    }
    assert!(!is_alive(grandchild));
    upload.write_all(b"5\r\nhello\r\n0\r\n\r\n").unwrap();
    assert!(rest(upload).contains("\"length\":5"));
    assert_eq!(ostler.exited(), Some(0));
    let (_, _, directory) = ostler.end_with_directory();
    nothing_is_left(&directory, &old_mark, SOON);
    nothing_is_left(&directory, &new_mark, SOON);
}

#[tokio::test]
async fn a_websocket_is_told_and_an_event_stream_ends_whole_while_the_successor_serves() {
    adopt_orphans();
    let mut ostler = serve("replace_grace = \"300ms\"", "", &both(""));
    let mut sockets = Vec::new();
    for host in BOTH {
        sockets.push(websocket(ostler.switchboard, host).await);
    }
    let streams = BOTH.map(|host| event_stream(&ostler, host));
    let successor = replace(&ostler);
    for host in BOTH {
        get(ostler.switchboard, host, "/").with(200);
    }
    for socket in &mut sockets {
        let Message::Close(Some(close)) = next(socket).await else { panic!("not told") };
        assert_eq!(close.code, CloseCode::Away);
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    }
    for stream in streams {
        let rest = rest(stream);
        assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    }
    assert_eq!(ostler.exited(), Some(0));
    let mut socket = websocket(ostler.switchboard, "echo.localhost").await;
    assert_eq!(successor.ended_by(Signal::INT), Some(130));
    assert!(matches!(next(&mut socket).await, Message::Close(_)));
}

#[test]
fn an_idle_connection_is_answered_once_more_and_told_to_come_back() {
    adopt_orphans();
    let mut ostler = serve("replace_grace = \"1m\"", "", &echo("a.localhost", ""));
    let mut idle = crate::keep_alive::KeepAlive::new(ostler.switchboard, "a.localhost").unwrap();
    assert!(idle.get("/").unwrap().unwrap().stays);
    let successor = replace(&ostler);
    let last = idle.get("/").unwrap().unwrap();
    assert_eq!((last.status, last.stays), (200, false));
    assert_eq!(ostler.exited(), Some(0), "and nobody else was waited for");
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}

#[test]
fn a_request_that_outlasts_the_drain_of_the_one_before_is_cut_and_told_by_its_exit_code() {
    adopt_orphans();
    let stuck = Stuck::new();
    let mut ostler = serve(
        "replace_grace = \"0s\"\ndrain_timeout = \"100ms\"",
        "",
        &[stuck.server(), echo("a.localhost", "")].concat(),
    );
    let _request = stuck.request(ostler.switchboard);
    let successor = replace(&ostler);
    assert_eq!(ostler.exited(), Some(3));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}

#[test]
fn a_new_configuration_is_what_the_successor_serves() {
    adopt_orphans();
    let mut ostler = installed("", &echo("a.localhost", ""));
    get(ostler.switchboard, "b.localhost", "/").with(404);
    crate::lineage::configure(&ostler.directory, "", &echo("b.localhost", ""));
    let successor = replace(&ostler);
    assert_eq!(ostler.exited(), Some(0));
    get(ostler.switchboard, "b.localhost", "/").with(200);
    get(ostler.switchboard, "a.localhost", "/").with(404);
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}

#[test]
fn the_service_manager_is_told_of_each_step_by_who_is_in_charge() {
    adopt_orphans();
    let place = crate::binary::Directory::new();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut ostler = serve_with("", "", &echo("a.localhost", ""), &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(told(), "READY=1\n");

    let successor = replace(&ostler);
    let reloading = told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told(), format!("MAINPID={}\nREADY=1\nSTATUS=\n", successor.pid()));
    assert_eq!(ostler.exited(), Some(0));

    ostler.directory.write("ostler.toml", "[pool]\nmax_servrs = 1\n");
    ostler.ask(&["replace"]).with(2);
    assert!(told().starts_with("RELOADING=1\n"));
    let failed = told();
    assert!(failed.starts_with("READY=1\nSTATUS=not replaced: "), "{failed}");
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
    assert_eq!(told(), "STOPPING=1\n");
    manager.set_nonblocking(true).unwrap();
    assert!(manager.recv(&mut [0; 8]).is_err(), "nothing more");
}
