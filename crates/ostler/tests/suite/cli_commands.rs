//! The commands that ask a running Ostler.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use ostler_testing::SelfSigned;
use rustix::process::Signal;
use serde_json::Value;

use crate::binary::{Directory, Log, Ostler, command, rest};
use crate::raw::{Events, get};

const ANY: &str = "[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\n";

#[test]
fn ps_is_a_table_of_what_runs_and_why() {
    let ostler = Ostler::serve(ANY);
    ostler.ask(&["ps"]).with(0).says("no servers: each starts with the first request for its host");
    for host in ["b.localhost", "a.localhost"] {
        get(ostler.switchboard, host, "/").with(200);
    }
    // In use: its events do not end.
    let sse = Stream::open(&ostler, "b.localhost");
    let table = ostler.ask(&["ps"]).with(0).stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0].join(" "), "KEY STATE PID PORT LEASES REQUESTS AGE IDLE WHY IT IS ALIVE", "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    assert_eq!(
        (lines[1][0], lines[1][1], lines[1][4], lines[1][5]),
        ("a.localhost", "ready", "0", "1"),
        "{table}"
    );
    assert!(table.lines().nth(1).unwrap().contains("idle, stops in 9m"), "{table}");
    assert_eq!((lines[2][0], lines[2][4], lines[2][7]), ("b.localhost", "1", "-"), "{table}");
    assert!(table.lines().nth(2).unwrap().ends_with("in use"), "{table}");
    assert!(!table.contains('\u{1b}'), "colours outside a terminal: {table:?}");
    drop(sse);

    let json: Value = serde_json::from_str(&ostler.ask(&["ps", "--json"]).with(0).stdout).unwrap();
    assert_eq!((&json[0]["key"], &json[1]["key"]), (&"a.localhost".into(), &"b.localhost".into()));
}

/// An open event stream through the switchboard.
struct Stream {
    _reader: BufReader<std::net::TcpStream>,
}

impl Stream {
    fn open(ostler: &Ostler, host: &str) -> Self {
        let stream = crate::raw::open(ostler.switchboard, "GET", "/sse", &format!("Host: {host}\r\n"));
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("200"), "{line}");
        Self { _reader: reader }
    }
}

#[test]
fn events_shows_everything_up_to_the_last_stopped_and_ends_with_ostler() {
    let ostler = Ostler::serve(ANY);
    let follow = |arguments: &[&str]| {
        let mut follower =
            ostler.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(follower.stderr.take().unwrap());
        log.wait_for("following");
        (follower, log)
    };
    let (mut text, text_log) = follow(&["events"]);
    let (mut json, _) = follow(&["events", "--json"]);
    for host in ["a.localhost", "b.localhost"] {
        get(ostler.switchboard, host, "/").with(200);
    }
    ostler.signal(Signal::TERM);

    let lines = rest(json.stdout.take().unwrap());
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    assert_eq!((count("started"), count("ready"), count("stopped")), (2, 2, 2), "{lines}");
    assert_eq!(json.wait().unwrap().code(), Some(0));

    let lines = rest(text.stdout.take().unwrap());
    assert_eq!(lines.lines().count(), events.len(), "{lines}");
    assert!(lines.contains("ready          a.localhost#1  at 127.0.0.1:"), "{lines}");
    assert!(lines.contains("evicted        b.localhost#2  Ostler drains"), "{lines}");
    assert_eq!(text.wait().unwrap().code(), Some(0));
    assert!(text_log.to_the_end().contains("Ostler has ended."));
    assert_eq!(ostler.end().0, Some(143));
}

#[test]
fn events_can_begin_behind_an_event() {
    let ostler = Ostler::serve(ANY);
    let place = Events::follow(ostler.admin, None).id;
    let mut watch = Events::follow(ostler.admin, None);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    watch.next_of("ready");
    let mut follower = ostler.command(&["events", "--after", &place]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("started"));
    assert!(lines.next().unwrap().unwrap().contains("ready"));
    ostler.signal(Signal::TERM);
    assert!(follower.wait().unwrap().success());
}

#[test]
fn events_resumes_behind_the_last_event_when_its_connection_breaks() {
    let fake = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = fake.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        let answer = |number: u32, end: &str| {
            let (mut stream, _) = fake.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let data = format!("{{\"id\":\"x-{number}\",\"kind\":\"stopped\",\"key\":\"a.localhost\"}}");
            let event = format!("id: x-{number}\ndata: {data}\n\n");
            let chunk = format!("{:x}\r\n{event}\r\n{end}", event.len());
            write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").unwrap();
            head
        };
        // The first answer breaks off, the second one ends.
        (answer(1, ""), answer(2, "0\r\n\r\n"))
    });
    let ended = Directory::new().run(&["events", "--json", "--admin", &address], &[]).with(0);
    let (first, second) = serving.join().unwrap();
    assert!(!first.contains("last-event-id") && second.contains("last-event-id: x-1"), "{first}{second}");
    let ids: Vec<_> = ended.stdout.lines().map(|line| &line[7..10]).collect();
    assert_eq!(ids, ["x-1", "x-2"]);
    ended.complains("following again");
}

#[test]
fn events_says_when_ostler_was_killed() {
    let ostler = Ostler::serve(ANY);
    let mut follower =
        ostler.command(&["events"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let log = Log::of(follower.stderr.take().unwrap());
    log.wait_for("following");
    ostler.signal(Signal::KILL);
    assert_eq!(follower.wait().unwrap().code(), Some(1));
    assert!(log.to_the_end().contains("nobody answers there any more"), "{}", log.to_the_end());
}

#[test]
fn stop_stops_one_server_and_says_when_there_is_none() {
    let ostler = Ostler::serve(ANY);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    ostler.ask(&["stop", "A.localhost"]).with(0).says("a.localhost stopped in");
    ostler.ask(&["ps"]).with(0).says("no servers");
    let ended = ostler.ask(&["stop", "a.localhost"]).with(1);
    ended.complains("no server runs under the key `a.localhost`").complains("ostler ps");
}

#[test]
fn a_command_without_an_ostler_says_where_it_looked_and_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let directory = Directory::new();
    directory.write("ostler.toml", &format!("[admin]\nlisten = \"{free}\"\n"));
    for command in [&["ps"][..], &["events"], &["drain"], &["stop", "a.localhost"]] {
        let ended = directory.run(command, &[]).with(1);
        ended
            .complains(&format!("no Ostler answers at {free}: connection refused"))
            .complains("`admin.listen` of ostler.toml")
            .complains("ostler up");
    }
    let variable = [("OSTLER_ADMIN__LISTEN", &*free)];
    Directory::new().run(&["ps"], &variable).with(1).complains("that is what OSTLER_ADMIN__LISTEN says");
    directory.write("ostler.toml", "[admin]\nlisten = \"127.0.0.1:0\"\n");
    directory.run(&["ps"], &[]).with(2).complains("--admin ADDRESS");
}

#[test]
fn what_is_not_the_admin_api_is_recognized() {
    let ostler = Ostler::serve(ANY);
    let ended = ostler.directory.run(&["ps", "--admin", &ostler.switchboard.to_string()], &[]).with(1);
    assert_eq!(ended.stdout, "");
    ended.complains("is not the admin API of Ostler").complains("that of the admin listener");
}

#[test]
fn commands_reach_an_admin_listener_on_a_unix_socket() {
    let directory = Directory::new();
    let config = "[switchboard]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"unix:admin.sock\"\n";
    directory.write("ostler.toml", &format!("{config}{ANY}"));
    let ostler = Ostler::up(directory, &["up"], &[]);
    ostler.directory.run(&["ps"], &[]).with(0).says("no servers");
    ostler.directory.run(&["drain"], &[]).with(0).says("drained");
    assert!(!std::fs::exists(ostler.directory.path("admin.sock")).unwrap() || ostler.end().0 == Some(0));
}

#[test]
fn a_wrong_command_line_is_exit_code_two() {
    let directory = Directory::new();
    directory.run(&["pss"], &[]).with(2).complains("ps");
    directory.run(&["drain", "--deadline", "soon"], &[]).with(2).complains("--deadline");
    directory.run(&["ps", "--admin", "nowhere"], &[]).with(2).complains("127.0.0.1:8000");
    directory.run(&["--help"], &[]).with(0).says("events").says("Exit codes");
}

#[test]
fn check_says_what_would_be_served() {
    let directory = Directory::new();
    let config = "[[server]]\nhost = \"*.shop.localhost\"\ncommand = [\"serve\", \"{port}\"]\nready = \"/up\"\nmax = 3\n\
                  [[server]]\nhost = \"old.localhost\"\nurl = \"http://127.0.0.1:9\"\n";
    directory.write("ostler.toml", config);
    let variables = [("OSTLER_POOL__MAX_SERVERS", "7")];
    let ended = directory.run(&["check"], &variables).with(0).says("ostler.toml is valid");
    ended
        .says("at most 7 servers")
        .says("by OSTLER_POOL__MAX_SERVERS")
        .says("*.shop.localhost  serve {port}        GET /up       after 10m idle, 3 hosts at most")
        .says("old.localhost     http://127.0.0.1:9  runs already  not by Ostler");
}

#[test]
fn check_warns_of_certificates_that_clients_refuse_and_says_since_when() {
    let hosts = ["a.localhost"];
    for (made, expected) in [
        (SelfSigned::new(&hosts), None),
        (SelfSigned::expired(&hosts), Some("has expired at 2001-12-31T00:00:00Z: clients refuse it")),
        (SelfSigned::early(&hosts), Some("is not valid before 2999-01-01T00:00:00Z: clients refuse it")),
    ] {
        let directory = Directory::new();
        let (cert, key) = (made.cert.display(), made.key.display());
        directory.write(
            "ostler.toml",
            &format!("switchboard.tls_listen = \"127.0.0.1:0\"\n[[certificate]]\ncert = \"{cert}\"\nkey = \"{key}\"\n"),
        );
        let ended = directory.run(&["check"], &[]).with(0).says("ostler.toml is valid");
        let warning = expected.map(|what| format!("warning: {cert} {what}\n"));
        assert_eq!(ended.stderr, warning.unwrap_or_default());
    }
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let directory = Directory::new();
    for arguments in [&["schema"][..], &["check"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let path = directory.path("");
        let mut command = command(path.as_ref());
        let child = command.args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), rest(&*output.stderr)), (Some(0), String::new()), "{arguments:?}");
    }
}
