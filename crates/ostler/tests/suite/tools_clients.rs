//! The official clients book a flight, also while the server is killed between their rounds.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler, free_ports};

/// A client that books.
struct Booking {
    process: Child,
    answers: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

/// What `scripts/test` installs.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools").join(path);
    assert!(path.exists(), "{} is missing: run scripts/test once, which installs it", path.display());
    path
}

fn script(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)).unwrap()
}

impl Booking {
    fn typescript(port: u16) -> Self {
        let node = installed("clients/node_modules/.bin/node");
        let mut command = Command::new(node);
        // From where its imports are found.
        command.current_dir(installed("clients")).args([
            "--input-type=module",
            "-e",
            &script("book.mjs"),
            "book",
        ]);
        Self::begin(command, port)
    }

    fn python(port: u16) -> Self {
        let mut command = Command::new(installed("python/bin/python"));
        command.args(["-c", &script("book.py")]);
        Self::begin(command, port)
    }

    fn begin(mut command: Command, port: u16) -> Self {
        command.arg(format!("http://127.0.0.1:{port}/mcp"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = process.stdin.take().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, answers, told }
    }

    fn next(&mut self, kind: &str) -> Value {
        let line = self.told.next().expect("the client goes on").unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        assert!(told.get(kind).is_some(), "not {kind}: {told}");
        told[kind].clone()
    }

    fn answer(&mut self) {
        writeln!(self.answers).unwrap();
    }

    fn booked(mut self) {
        let booking = self.next("booked");
        let expected = json!({ "flight": "RO243", "seat": "window", "meal": true, "tip": "the old town" });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&booking[key], value, "{booking}");
        }
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn up(directory: Directory, port: u16) -> Ostler {
    let mcp = format!("127.0.0.1:{port}");
    let listen = [
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", &mcp),
    ];
    Ostler::up(directory, &["up"], &listen)
}

/// Books, and has `between` happen to the server before each round is answered.
fn book(begin: impl Fn(u16) -> Booking, between: impl Fn(Ostler) -> Ostler) {
    let port = free_ports();
    let mut ostler = up(Directory::new(), port);
    let mut booking = begin(port);
    assert_eq!(booking.next("asked"), "Which flight from Berlin to Rome on 2026-12-24?");
    ostler = between(ostler);
    booking.answer();
    let mut round = [booking.next("asked"), Value::Null];
    ostler = between(ostler);
    booking.answer();
    round[1] = booking.next("asked");
    booking.answer();
    round.sort_by_key(ToString::to_string);
    let tip = "In one sentence: what should nobody miss who travels to Rome?";
    assert_eq!(round, [tip, "Where do you like to sit?"]);
    booking.booked();
    drop(ostler);
}

#[test]
fn the_typescript_client_books_a_flight() {
    book(Booking::typescript, |ostler| ostler);
}

#[test]
fn the_python_client_books_a_flight() {
    book(Booking::python, |ostler| ostler);
}

#[test]
fn the_typescript_client_does_not_notice_that_the_server_is_killed_between_its_rounds() {
    book(Booking::typescript, |ostler| {
        let line = ostler.greeting.lines().find(|line| line.contains("/mcp")).unwrap();
        let port = line.rsplit_once(':').unwrap().1.trim_end_matches("/mcp").parse().unwrap();
        ostler.signal(Signal::KILL);
        up(ostler.end_with_directory().2, port)
    });
}
