//! Law 11: signals and exit codes, on a real process.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(behaviour: &str) -> Self {
        let mut child = Command::new(example())
            .arg(behaviour)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn expect(&mut self, lines: &[&str]) {
        for expected in lines {
            assert_eq!(self.lines.next_line().await.unwrap().as_deref(), Some(*expected));
        }
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it is running").to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    /// The exit code, what else it said, and what it complained of.
    async fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let mut said = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            said.push(line);
        }
        let Output { status, stderr, .. } = self.child.wait_with_output().await.unwrap();
        (status.code(), said, String::from_utf8(stderr).unwrap())
    }
}

/// Built by cargo along with the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join("program")
}

/// Law 11.
#[tokio::test]
async fn the_first_signal_halts_the_root_and_the_exit_code_tells_which() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut program = Program::start("serve");
        program.expect(&["ready"]).await;
        program.signal(name).await;
        let (exit, said, complaints) = program.end().await;
        assert_eq!(said, ["body dropped", "cleaning up", "cleaned up", "older cleaned up"]);
        assert_eq!((exit, complaints.as_str()), (Some(code), ""));
    }
}

/// Law 11.
#[tokio::test]
async fn the_second_signal_brings_the_deadline_forward_to_now() {
    let mut program = Program::start("hang");
    program.expect(&["ready"]).await;
    program.signal("TERM").await;
    program.expect(&["body dropped", "cleaning up"]).await;
    program.signal("INT").await;
    let (exit, said, complaints) = program.end().await;
    assert_eq!(said, ["deadline passed", "older cleaned up"]);
    assert_eq!((exit, complaints.as_str()), (Some(143), "did not stop in time: program/cleanup\n"));
}

/// Law 11.
#[tokio::test]
async fn the_third_signal_exits_on_the_spot() {
    let mut program = Program::start("refuse");
    program.expect(&["ready"]).await;
    program.signal("TERM").await;
    program.expect(&["body dropped", "cleaning up"]).await;
    program.signal("TERM").await;
    program.expect(&["deadline passed"]).await;
    program.signal("INT").await;
    let (exit, said, _) = program.end().await;
    assert_eq!((exit, said), (Some(130), Vec::<String>::new()));
}

/// Law 11.
#[tokio::test]
async fn without_a_signal_the_exit_code_is_the_bodys_or_one_for_failure() {
    for (behaviour, code, complaint) in [
        ("succeed", 0, ""),
        ("custom", 42, ""),
        ("fail", 1, "error: program: out of hay"),
        ("panic", 1, "error: program: panicked: kicked by a horse"),
    ] {
        let (exit, said, complaints) = Program::start(behaviour).end().await;
        assert_eq!(
            said,
            ["ready", "body dropped", "cleaning up", "cleaned up", "older cleaned up"],
            "{behaviour}"
        );
        assert_eq!(exit, Some(code), "{behaviour}");
        assert!(complaints.contains(complaint), "{behaviour}: {complaints}");
    }
}

#[tokio::test]
async fn the_program_may_choose_its_exit_code_by_how_it_ended() {
    let (exit, ..) = Program::start("overrun").end().await;
    assert_eq!(exit, Some(3));
}

/// A pooled server is a scope each, so an idle one has to be small. In a process of its own, where nothing else allocates.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_scope_takes_less_than_two_kibibytes() {
    let (exit, said, complaints) = Program::start("measure").end().await;
    assert_eq!((exit, complaints.as_str()), (Some(0), ""));
    let bytes: usize = said[1].strip_suffix(" bytes for an idle scope").unwrap().parse().unwrap();
    assert!((100..2048).contains(&bytes), "{bytes}");
}
