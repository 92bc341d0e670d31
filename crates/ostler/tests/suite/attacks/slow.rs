//! Clients that take their time, as slowhttptest plays them: they are cut off by the deadlines, and others are served meanwhile.
//!
//! Its reports are left in `target/tmp/slowhttptest`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::victim::Victim;
use crate::keep_alive::KeepAlive;

/// Slow clients at once.
const CLIENTS: usize = 40;

/// How often others ask for something meanwhile.
const PACE: Duration = Duration::from_millis(20);

/// What slowhttptest says when each of its connections has been closed before its time was up.
const CUT_OFF: &str = "Exit status: No open connections left";

/// What it says otherwise.
const TIME_IS_UP: &str = "Exit status: Hit test time limit";

/// What a run has come to.
struct Run {
    /// What slowhttptest says.
    report: String,
    /// How many requests of others were answered meanwhile.
    served: usize,
    victim: Victim,
}

/// Attacks `path`, and asks for something else on other connections all the while.
fn attack(mode: &str, path: &str, arguments: &[&str], switchboard: &str, end: &str) -> Run {
    let victim =
        Victim::with_log(&format!("default_host = \"a.localhost\"\n{switchboard}"), "info,ostler_http=debug");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slowhttptest");
    fs::create_dir_all(&directory).unwrap();
    let prefix = directory.join(mode.trim_start_matches('-'));
    let url = format!("http://{}{path}", victim.ostler.switchboard);
    let clients = CLIENTS.to_string();
    let mut command = Command::new("slowhttptest");
    command.args([mode, "-c", &clients, "-r", &clients, "-p", "5", "-v", "1", "-g", "-u", &url]);
    command.arg("-o").arg(&prefix).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let attacker = command
        .spawn()
        .unwrap_or_else(|error| panic!("slowhttptest: {error}; install the package of that name"));
    let (end_of_attack, attacked) = mpsc::channel();
    thread::spawn(move || end_of_attack.send(attacker.wait_with_output().unwrap()));

    let mut served = 0;
    let mut stays = KeepAlive::new(victim.ostler.switchboard, "a.localhost").unwrap();
    let output = loop {
        let mut comes = KeepAlive::new(victim.ostler.switchboard, "a.localhost").unwrap();
        for client in [&mut stays, &mut comes] {
            assert_eq!(client.get("/ok").unwrap().unwrap().status, 200);
            served += 1;
        }
        if let Ok(output) = attacked.recv_timeout(PACE) {
            break output;
        }
    };
    let report = plain(&String::from_utf8(output.stdout).unwrap());
    fs::write(prefix.with_extension("txt"), &report).unwrap();
    assert!(report.contains(end), "{report}");
    available_all_the_time(&prefix.with_extension("csv"));
    drop(stays);
    Run { report, served, victim }
}

/// Without the colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(char::is_alphabetic).map_or("", |(_, rest)| rest))
}

/// slowhttptest looks for itself whether the server answers, and writes down every second what it saw.
fn available_all_the_time(statistics: &PathBuf) {
    let statistics = fs::read_to_string(statistics).unwrap();
    let mut rows = statistics.lines();
    let columns: Vec<&str> = rows.next().unwrap().split(',').collect();
    let available = columns.iter().position(|column| *column == "Service Available").unwrap();
    let seconds: Vec<&str> = rows.filter_map(|row| row.split(',').nth(available)).collect();
    assert!(!seconds.is_empty() && !seconds.contains(&"0"), "{statistics}");
}

impl Run {
    /// Asserts that every slow client met this end, and that it was no other client's.
    fn ends(self, event: &str) {
        assert_ne!(self.served, 0, "{}", self.report);
        self.victim.is_unharmed("been slow");
        let log = self.victim.end();
        let ends = log.lines().filter(|line| line.contains(&format!(" {event} "))).count();
        assert_eq!(ends, CLIENTS, "{}\n{log}", self.report);
    }
}

#[test]
fn slow_heads_are_cut_off_at_their_deadline() {
    let slow = ["-l", "20", "-i", "1", "-x", "8"];
    attack("-H", "/ok", &slow, "header_timeout = \"2s\"", CUT_OFF).ends("header_timeout");
}

#[test]
fn slow_bodies_are_cut_off_at_their_deadline() {
    let slow = ["-l", "20", "-i", "1", "-x", "8", "-s", "100000"];
    attack("-B", "/upload", &slow, "body_timeout = \"2s\"", CUT_OFF).ends("body_read_deadline_exceeded");
}

#[test]
fn a_thousand_ranges_are_a_request_like_any_other() {
    let run = attack("-R", "/ok", &["-l", "20", "-a", "5", "-b", "1000"], "idle_timeout = \"1s\"", CUT_OFF);
    assert_ne!(run.served, 0);
    run.victim.is_unharmed("asked for ranges");
    run.victim.end();
}

#[test]
fn slow_readers_are_cut_off_at_their_deadline() {
    let slow = ["-l", "8", "-w", "1", "-y", "512", "-n", "1", "-z", "5", "-k", "1"];
    // It goes on reading, five bytes a second, what its own system holds of a connection that has been reset long ago.
    attack("-X", "/big", &slow, "write_timeout = \"2s\"", TIME_IS_UP).ends("write_stalled");
}
