//! The official clients book a flight, also while the server is killed between their rounds.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler, free_ports};
use crate::tools_sealed::KEYS;

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

/// The clients, each with the revision that it speaks in an era.
#[derive(Debug, Clone, Copy)]
enum Program {
    TypeScript,
    /// The SDK before that.
    TypeScriptSdk,
    Python,
    /// The SDK before that.
    PythonV1,
    FastMcp,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Era {
    /// With sessions.
    Stateful,
    /// Without.
    Stateless,
}

impl Era {
    const fn name(self) -> &'static str {
        match self {
            Self::Stateful => "2025",
            Self::Stateless => "2026",
        }
    }

    const fn revision(self) -> &'static str {
        match self {
            Self::Stateful => "2025-11-25",
            Self::Stateless => "2026-07-28",
        }
    }
}

impl Program {
    fn command(self) -> Command {
        let (file, python) = match self {
            Self::TypeScript => ("book.mjs", None),
            Self::TypeScriptSdk => ("book-sdk.mjs", None),
            Self::Python => ("book.py", Some("python")),
            Self::PythonV1 => ("book-v1.py", Some("python-v1")),
            Self::FastMcp => ("book-fastmcp.py", Some("python")),
        };
        match python {
            Some(environment) => {
                let mut command = Command::new(installed(&format!("{environment}/bin/python")));
                command.args(["-c", &script(file)]);
                command
            }
            None => {
                let mut command = Command::new(installed("clients/node_modules/.bin/node"));
                // From where its imports are found.
                command.current_dir(installed("clients"));
                command.args(["--input-type=module", "-e", &script(file), "book"]);
                command
            }
        }
    }
}

impl Booking {
    /// At an address, or the program that is to be started; `directory` is where that one finds its data.
    fn begin(program: Program, era: Era, target: &str, directory: Option<&Directory>) -> Self {
        let mut command = program.command();
        command.args([target, era.name()]);
        if let Some(directory) = directory {
            command.env("XDG_DATA_HOME", directory.path("data"));
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = process.stdin.take().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut booking = Self { process, answers, told };
        assert_eq!(booking.next("spoken"), era.revision(), "{program:?}");
        booking
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
    up_with(directory, port, &[])
}

/// The same with more variables of the environment.
fn up_with(directory: Directory, port: u16, variables: &[(&str, &str)]) -> Ostler {
    let mcp = format!("127.0.0.1:{port}");
    let mut all = vec![
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", &mcp),
    ];
    all.extend(variables);
    Ostler::up(directory, &["up"], &all)
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/mcp")
}

/// Goes through a booking, and has `between` happen before each round is answered.
fn book(mut booking: Booking, mut between: impl FnMut()) {
    assert_eq!(booking.next("asked"), "Which flight from Berlin to Rome on 2026-12-24?");
    between();
    booking.answer();
    let mut round = [booking.next("asked"), Value::Null];
    between();
    booking.answer();
    round[1] = booking.next("asked");
    booking.answer();
    round.sort_by_key(ToString::to_string);
    let tip = "In one sentence: what should nobody miss who travels to Rome?";
    assert_eq!(round, [tip, "Where do you like to sit?"]);
    booking.booked();
}

/// Over HTTP in all eras that it speaks, at one server, and over the standard streams of a process of its own.
fn books_everywhere(program: Program, eras: &[Era]) {
    let port = free_ports();
    let ostler = up(Directory::new(), port);
    for era in eras {
        book(Booking::begin(program, *era, &address(port), None), || {});
        let directory = Directory::new();
        book(Booking::begin(program, *era, env!("CARGO_BIN_EXE_ostler"), Some(&directory)), || {});
    }
    drop(ostler);
}

/// With a server that is killed and started again before each round is answered.
fn books_while_killed(program: Program, era: Era) {
    let port = free_ports();
    let mut ostler = Some(up(Directory::new(), port));
    let booking = Booking::begin(program, era, &address(port), None);
    book(booking, || {
        let killed = ostler.take().unwrap();
        killed.signal(Signal::KILL);
        ostler = Some(up(killed.end_with_directory().2, port));
    });
}

/// At another server for each round, none of which stores anything, nor has anything of the others but a copy of their keys.
fn books_at_another_server_each_round(program: Program) {
    let port = free_ports();
    let up = || {
        let directory = Directory::new();
        let keys = directory.write("shared.json", KEYS);
        up_with(directory, port, &[("OSTLER_TOOLS__RESUME", "sealed"), ("OSTLER_TOOLS__KEYS", &keys)])
    };
    let mut ostler = Some(up());
    let booking = Booking::begin(program, Era::Stateless, &address(port), None);
    book(booking, || {
        drop(ostler.take());
        ostler = Some(up());
    });
}

#[test]
fn the_typescript_client_books_at_another_server_each_round() {
    books_at_another_server_each_round(Program::TypeScript);
}

#[test]
fn the_python_client_books_at_another_server_each_round() {
    books_at_another_server_each_round(Program::Python);
}

#[test]
fn the_typescript_client_books_a_flight() {
    books_everywhere(Program::TypeScript, &[Era::Stateful, Era::Stateless]);
}

#[test]
fn the_typescript_sdk_books_a_flight() {
    books_everywhere(Program::TypeScriptSdk, &[Era::Stateful]);
}

#[test]
fn the_python_client_books_a_flight() {
    books_everywhere(Program::Python, &[Era::Stateful, Era::Stateless]);
}

#[test]
fn the_python_sdk_before_that_books_a_flight() {
    books_everywhere(Program::PythonV1, &[Era::Stateful]);
}

#[test]
fn fastmcp_books_a_flight() {
    books_everywhere(Program::FastMcp, &[Era::Stateful, Era::Stateless]);
}

#[test]
fn the_typescript_client_does_not_notice_that_the_server_is_killed_between_its_rounds() {
    books_while_killed(Program::TypeScript, Era::Stateless);
}

#[test]
fn a_client_with_a_session_comes_back_to_a_server_that_is_killed_between_its_rounds() {
    books_while_killed(Program::TypeScriptSdk, Era::Stateful);
}

/// What the inspector says of a call of `book_flight`, in which it is asked nothing.
fn inspect(target: &[&str], era: &str, more: &[&str]) -> Value {
    let mut command = Command::new(installed("clients/node_modules/.bin/node"));
    command.arg(installed(
        "clients/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
    ));
    command.arg("--cli").args(target).args(["--protocol-era", era]);
    command.args(["--method", "tools/call", "--tool-name", "book_flight"]);
    command.args(["--tool-arg", "from=Berlin", "--tool-arg", "to=Rome", "--tool-arg", "date=2026-12-24"]);
    let directory = Directory::new();
    let output = command.args(more).env("XDG_DATA_HOME", directory.path("data")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next();
    first.unwrap_or_else(|| panic!("it says nothing: {}", String::from_utf8_lossy(&output.stderr))).unwrap()
}

#[test]
fn the_inspector_which_answers_nothing_is_told_what_to_call_with() {
    let port = free_ports();
    let ostler = up(Directory::new(), port);
    let (http, stdio) = ([&*address(port), "--transport", "http"], [env!("CARGO_BIN_EXE_ostler"), "stdio"]);
    for (target, era) in [(&http[..], "legacy"), (&http, "auto"), (&stdio, "legacy"), (&stdio, "auto")] {
        let told = inspect(target, era, &[]);
        let text = told["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("Call again with `flight`") && told["isError"] == true, "{told}");
        let booked = inspect(target, era, &["--tool-arg", "flight=RO243", "--tool-arg", "seat=window"]);
        assert_eq!(booked["structuredContent"]["flight"], "RO243", "{era}: {booked}");
    }
    drop(ostler);
}
