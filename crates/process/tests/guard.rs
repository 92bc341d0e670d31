//! The guard: what is left when Ostler is killed, and what becomes of the guard itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ostler_process::{GuardProgram, Launcher, LauncherConfig, OpenError};
use ostler_scope::Scope;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::block::Block;
use crate::stable::{FAKE, Stable};
use crate::traces::{assert_nothing_left, carrying, is_alive, pid_in, within};

/// Another program with a launcher of its own.
pub(crate) struct OtherHost {
    process: Child,
    pub(crate) mark: String,
    pub(crate) child: u32,
    pub(crate) grandchild: u32,
    pub(crate) root: TempDir,
    _block: Block,
    _files: TempDir,
}

impl OtherHost {
    /// With a child that has a grandchild in a session of its own.
    pub(crate) async fn start(switches: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let files = tempfile::tempdir().unwrap();
        let file: PathBuf = files.path().join("pid");
        let block = Block::claim();
        let mut process = Command::new(FAKE)
            .arg("host")
            .args(switches)
            .arg(format!("--root={}", root.path().display()))
            .arg(format!("--base={}", block.base))
            .arg(format!("--grandchild={}", file.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        let (mark, child) = line.trim().split_once(' ').expect("the host starts its child");
        let grandchild = pid_in(&file).await;
        let (mark, child) = (mark.to_owned(), child.parse().unwrap());
        Self { process, mark, child, grandchild, root, _block: block, _files: files }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The guard carries the mark under another name.
    fn guard(&self) -> u32 {
        guard_of(&self.mark)
    }
}

impl Drop for OtherHost {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn guard_of(mark: &str) -> u32 {
    *carrying(&format!("OSTLER_GUARD_INSTANCE={mark}")).first().expect("a guard")
}

fn another_guard(mark: &str, first: u32) -> bool {
    carrying(&format!("OSTLER_GUARD_INSTANCE={mark}")).iter().any(|pid| *pid != first)
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

async fn killed_host_leaves_nothing(switches: &[&str]) {
    let mut host = OtherHost::start(switches).await;
    assert!(is_alive(host.grandchild));
    host.kill();
    within(Duration::from_secs(2), "nothing marked lives", || carrying(&host.mark).is_empty()).await;
    assert!(!is_alive(host.child) && !is_alive(host.grandchild));
    assert_nothing_left(&host.mark, host.root.path());
}

#[tokio::test]
async fn after_kill_9_a_grandchild_in_its_own_session_is_gone_within_two_seconds() {
    killed_host_leaves_nothing(&[]).await;
}

#[tokio::test]
async fn after_kill_9_a_grandchild_is_gone_without_cgroups_too() {
    killed_host_leaves_nothing(&["--no-cgroup"]).await;
}

#[tokio::test]
async fn after_kill_9_an_orphaned_grandchild_is_gone_too() {
    killed_host_leaves_nothing(&["--no-cgroup", "--orphan"]).await;
}

#[tokio::test]
async fn after_kill_9_without_a_guard_the_child_itself_still_dies() {
    let mut host = OtherHost::start(&["--unguarded", "--no-cgroup"]).await;
    host.kill();
    within(Duration::from_secs(2), "the child is gone", || !is_alive(host.child)).await;
    assert!(is_alive(host.grandchild), "which is why there is a guard");
    signal(host.grandchild, Signal::KILL);
}

#[tokio::test]
async fn an_orderly_end_leaves_no_guard() {
    let mut host = OtherHost::start(&[]).await;
    assert!(is_alive(host.guard()));
    drop(host.process.stdin.take());
    assert!(host.process.wait().unwrap().success());
    assert_eq!(carrying(&host.mark), [0; 0]);
    assert_nothing_left(&host.mark, host.root.path());
}

#[tokio::test]
async fn the_guard_is_deaf_to_what_a_terminal_sends() {
    let mut host = OtherHost::start(&[]).await;
    let guard = host.guard();
    for kind in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        signal(guard, kind);
    }
    host.kill();
    within(Duration::from_secs(2), "the guard did its work", || carrying(&host.mark).is_empty()).await;
}

#[tokio::test]
async fn a_guard_that_dies_is_replaced() {
    let stable = Stable::open().await;
    let first = guard_of(stable.launcher.mark());
    signal(first, Signal::KILL);
    within(Duration::from_secs(5), "another guard", || another_guard(stable.launcher.mark(), first)).await;
    stable.close().await;
}

#[tokio::test]
async fn a_guard_that_is_not_up_yet_at_the_end_is_dismissed_all_the_same() {
    let files = tempfile::tempdir().unwrap();
    let (program, mute) = (files.path().join("guard"), files.path().join("mute"));
    // A second guard that never says that it stands, and goes at the first word.
    let script = format!("#!/bin/sh\n[ -e {} ] && exec head -c 1 >/dev/null\nexec {FAKE}\n", mute.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let stable = Stable::with(|config| LauncherConfig { guard: GuardProgram::Path(program), ..config }).await;
    fs::write(&mute, "").unwrap();
    let first = guard_of(stable.launcher.mark());
    signal(first, Signal::KILL);
    within(Duration::from_secs(5), "another guard", || another_guard(stable.launcher.mark(), first)).await;
    stable.close().await;
}

#[tokio::test]
async fn the_guard_is_small() {
    let stable = Stable::open().await;
    let status = fs::read_to_string(format!("/proc/{}/status", guard_of(stable.launcher.mark()))).unwrap();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kib: u32 = anonymous.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 1024, "{kib} KiB");
    stable.close().await;
}

#[tokio::test]
async fn a_guard_program_that_does_not_intercept_is_an_error_at_once() {
    let root = tempfile::tempdir().unwrap();
    let scope = Scope::root("test").open().unwrap();
    let config = LauncherConfig {
        guard: GuardProgram::Path("/bin/true".into()),
        runtime_root: Some(root.path().to_owned()),
        ..LauncherConfig::default()
    };
    let error = Launcher::open(&scope, config).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(OpenError::GuardSilent)), "{error}");
    assert!(scope.halt().await.is_clean());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}
