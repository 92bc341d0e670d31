//! What end-to-end tests have on stage: real programs behind the real one, and a look at what is left of them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;
use tokio::time::Instant;

use crate::binary::{Directory, Ostler, free_ports};
use crate::raw::{admin, get};

/// How long a killed Ostler's processes may live on.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// A `[[server]]` that is the node server; `more` is the rest of its table.
pub(crate) fn node(host: &str, more: &str) -> String {
    node_with(host, "", more)
}

/// The same with an argument: a habit of the server.
pub(crate) fn node_with(host: &str, habit: &str, more: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/server.mjs");
    format!(
        "[[server]]\nhost = \"{host}\"\ncommand = [\"node\", \"{script}\", \"{habit}\"]\nready = \"/health\"\n{more}\n"
    )
}

/// A `[[server]]` that is the builtin echo.
pub(crate) fn echo(host: &str, more: &str) -> String {
    format!("[[server]]\nhost = \"{host}\"\nbuiltin = \"echo\"\n{more}\n")
}

/// Serves `servers` with keys of `[switchboard]` and `[pool]`.
pub(crate) fn serve(switchboard: &str, pool: &str, servers: &str) -> Ostler {
    serve_with(switchboard, pool, servers, &[])
}

/// The same with variables. Runtime directories are in the test's own, so that it sees what is left in it.
pub(crate) fn serve_with(switchboard: &str, pool: &str, servers: &str, variables: &[(&str, &str)]) -> Ostler {
    let directory = Directory::new();
    let base = free_ports();
    directory.write(
        "ostler.toml",
        &format!(
            "[switchboard]\nlisten = \"127.0.0.1:0\"\n{switchboard}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [pool]\nbase_port = {base}\n{pool}\n{servers}\n"
        ),
    );
    let runtime = directory.path("run");
    fs::create_dir(&runtime).unwrap();
    let variables = [variables, &[("XDG_RUNTIME_DIR", &runtime)]].concat();
    Ostler::up(directory, &["up"], &variables)
}

/// What `/servers` says, by key.
#[track_caller]
pub(crate) fn server(ostler: &Ostler, key: &str) -> Value {
    admin(ostler.admin, "GET", &format!("/servers/{key}")).with(200).json()
}

/// Where that server listens.
#[track_caller]
pub(crate) fn address(ostler: &Ostler, key: &str) -> SocketAddr {
    server(ostler, key)["address"].as_str().unwrap().parse().unwrap()
}

/// The instance mark that the children of this Ostler carry, as one of them tells it.
#[track_caller]
pub(crate) fn mark(ostler: &Ostler, host: &str) -> String {
    let itself = get(ostler.switchboard, host, "/self").with(200).json();
    itself["environment"]["OSTLER_INSTANCE"].as_str().unwrap().to_owned()
}

/// The living processes with this text in their environment.
pub(crate) fn carrying(text: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap();
    pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ_has(&environment, text) && is_alive(*pid)
        })
        .collect()
}

fn environ_has(environment: &[u8], text: &str) -> bool {
    environment.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A process that runs, which a zombie does not.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

/// Asserts that a process ends in time. Waits for its end and for nothing else.
#[track_caller]
pub(crate) fn ends_within(pid: i32, limit: Duration) {
    // Gone before we looked is in time.
    let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else { return };
    let limit = Timespec::try_from(limit).unwrap();
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(ended, 1, "process {pid} is still there");
}

/// Asserts that all who carry the mark are gone in time, guard included, and that the runtime directory is empty.
#[track_caller]
pub(crate) fn nothing_is_left(directory: &Directory, mark: &str, limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        let left = carrying(mark);
        let Some(pid) = left.first() else { break };
        ends_within(*pid, deadline.saturating_duration_since(Instant::now()));
    }
    assert!(Instant::now() <= deadline, "they were gone too late");
    assert_eq!(files_in(directory.path("run")), [""; 0]);
}

fn files_in(directory: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
