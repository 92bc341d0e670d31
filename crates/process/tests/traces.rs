//! Looking for what must not be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a condition the system gives no event for is waited on.
const PATIENCE: Duration = Duration::from_secs(10);

/// The living processes with an instance's mark. The guard has it under another name.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    carrying(&format!("OSTLER_INSTANCE={mark}"))
}

/// The living processes whose environment contains `text`, ourselves left out.
pub(crate) fn carrying(text: &str) -> Vec<u32> {
    pids()
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .filter(|pid| is_alive(*pid))
        .collect()
}

/// A process that runs, which a zombie does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Asserts that no process carries an instance's mark, that we have no zombie, and that its directories are gone.
pub(crate) fn assert_nothing_left(mark: &str, root: &Path) {
    assert_eq!(carrying(mark), [0; 0], "processes with the mark {mark}");
    // Run by nextest, each test is a process; else the zombies may be those another test is about to wait for.
    if std::env::var_os("NEXTEST").is_some() {
        assert_eq!(zombies(), [0; 0], "zombies of ours");
    }
    let directories: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(directories, Vec::<PathBuf>::new(), "runtime directories");
    assert_eq!(cgroups(mark), Vec::<PathBuf>::new(), "cgroups");
}

/// Waits for what the system does not announce.
pub(crate) async fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(PATIENCE, what, condition).await;
}

pub(crate) async fn within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) async fn pid_in(file: &Path) -> u32 {
    eventually("a pid in the file", || fs::read_to_string(file).is_ok_and(|text| !text.is_empty())).await;
    fs::read_to_string(file).unwrap().parse().unwrap()
}

fn zombies() -> Vec<u32> {
    let own = std::process::id();
    pids().filter(|pid| parent(*pid) == Some(own) && state(*pid) == Some('Z')).collect()
}

/// The cgroups of an instance, if this machine lets it have one.
pub(crate) fn cgroups(mark: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points =
        mounts.lines().filter(|line| line.contains(" - cgroup2 ")).filter_map(|line| line.split(' ').nth(4));
    points
        .flat_map(|point| fs::read_dir(point).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains(mark))
        .collect()
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn state(pid: u32) -> Option<char> {
    fields(pid)?[0].chars().next()
}

fn parent(pid: u32) -> Option<u32> {
    fields(pid)?[1].parse().ok()
}
