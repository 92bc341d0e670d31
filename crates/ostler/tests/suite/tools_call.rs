//! `ostler call`: tools in the terminal.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::binary::{Directory, Ended, command};

/// Runs it with `typed` for its questions.
fn call(arguments: &[&str], typed: &str) -> Ended {
    let directory = Directory::new();
    let mut command = command(std::path::Path::new(&directory.path("")));
    command.arg("call").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    process.wait_with_output().unwrap().into()
}

#[test]
fn what_a_tool_asks_is_asked_line_by_line_and_the_result_is_all_of_stdout() {
    let trip = r#"{"from":"Berlin","to":"Rome","date":"2026-12-24"}"#;
    // A choice by its number, one that is none, one by its name, a default, and the model's answer.
    let ended = call(&["book_flight", trip], "2\n9\nwindow\n\nthe old town\n").with(0);
    let booking: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&booking["flight"], &booking["seat"]), (&"RO243".into(), &"window".into()));
    assert_eq!((&booking["meal"], &booking["tip"]), (&false.into(), &"the old town".into()));
    ended
        .complains("Which flight from Berlin to Rome")
        .complains("2. RO243 at 12:40, 98 EUR")
        .complains("1 to 3");
}

#[test]
fn without_arguments_they_are_asked_for() {
    call(&["echo"], "hello\n").with(0).complains("text (The text.)").says("hello\n");
}

#[test]
fn a_question_can_be_declined() {
    let ended = call(&["confirm_delete", r#"{"name":"notes.txt"}"#], "/decline\n").with(0);
    assert_eq!(ended.stdout, "notes.txt was not deleted\n");
    // Nobody is there at all.
    call(&["confirm_delete", r#"{"name":"notes.txt"}"#], "").with(0).says("was not deleted");
}

#[test]
fn progress_is_told_beside_the_result() {
    let ended = call(&["slow_report", r#"{"topic":"rain","sections":2}"#], "").with(0);
    assert_eq!(ended.stdout.lines().count(), 3, "{ended:?}");
    ended.complains("1/2 section 1").complains("2/2 section 2");
}

#[test]
fn what_is_wrong_with_a_call_is_said_with_what_would_be_right() {
    call(&["nope"], "").with(2).complains("there is no tool `nope`").complains("book_flight");
    call(&["echo", "{"], "").with(2).complains("not JSON").complains("ostler call echo '{\"text\": …}'");
    call(&["echo", r#"{"txt":1}"#], "").with(2).complains("missing field `text`");
    call(&["slow_report", r#"{"topic":"rain","sections":0}"#], "").with(2).complains("sections");
}
