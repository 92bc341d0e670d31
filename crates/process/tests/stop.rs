//! The ladder: after the end of a child nothing of it lives, whatever it was.

use std::path::Path;
use std::time::Duration;

use ostler_process::{ChildSpec, Exit, StartError, StopBudgets};
use ostler_scope::Deadline;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::stable::{Stable, Stall, fake};
use crate::traces::{assert_nothing_left, cgroups, eventually, is_alive, marked, pid_in};

#[tokio::test]
async fn a_child_that_obeys_ends_by_the_first_signal() {
    let stable = Stable::open().await;
    let stall = stable.serve(&[]).await.unwrap();
    stall.child.drain(&Deadline::after(Duration::from_secs(20))).await;
    assert_eq!(stall.child.exited().await.exit, Exit::Signal(15));
    stable.close().await;
}

#[tokio::test]
async fn a_child_that_ignores_the_first_signal_is_killed_after_its_budget() {
    let stable = Stable::open().await;
    let stall = stable.serve(&["--ignore-term"]).await.unwrap();
    let began = Instant::now();
    stall.child.stop().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(stall.child.exited().await.exit, Exit::Signal(9));
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn the_deadline_of_the_caller_cuts_the_drain_budget() {
    let stable = Stable::open().await;
    let stall = stable.start(&fake(&["--ignore-term"]).stop(StopBudgets::default())).await.unwrap();
    let began = Instant::now();
    stall.child.drain(&Deadline::after(Duration::from_millis(50))).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(is_alive(stall.child.pid()));
    stable.close().await;
}

#[tokio::test]
async fn a_halted_scope_leaves_nothing_although_nobody_drained() {
    let stable = Stable::open().await;
    let file = stable.file("pid");
    let stall = stable.serve(&["--ignore-term", &format!("--grandchild={}", file.display())]).await.unwrap();
    assert!(stall.scope.halt().await.is_clean());
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

/// Starts a child with a grandchild of the given kind, stops it, and asserts that the grandchild died with it.
async fn dies_too(stable: Stable, kind: &[&str]) {
    let file = stable.file("pid");
    let grandchild = format!("--grandchild={}", file.display());
    let switches: Vec<&str> = kind.iter().copied().chain([grandchild.as_str()]).collect();
    let Stall { child, .. } = stable.serve(&switches).await.unwrap();
    let grandchild = pid_in(&file).await;
    assert!(is_alive(grandchild));
    child.stop().await.unwrap();
    assert!(!is_alive(grandchild));
    stable.close().await;
}

#[tokio::test]
async fn a_grandchild_in_its_own_session_dies_too() {
    dies_too(Stable::open().await, &[]).await;
}

#[tokio::test]
async fn a_grandchild_in_its_own_session_dies_too_without_cgroups() {
    dies_too(Stable::without_cgroups().await, &[]).await;
}

#[tokio::test]
async fn an_orphaned_grandchild_dies_too() {
    dies_too(Stable::open().await, &["--orphan"]).await;
}

#[tokio::test]
async fn an_orphaned_grandchild_dies_too_without_cgroups() {
    dies_too(Stable::without_cgroups().await, &["--orphan"]).await;
}

#[tokio::test]
async fn a_grandchild_that_cleared_its_environment_dies_too_without_cgroups() {
    dies_too(Stable::without_cgroups().await, &["--scrub"]).await;
}

#[tokio::test]
async fn an_orphan_that_cleared_its_environment_dies_with_the_launcher_at_the_latest() {
    let stable = Stable::without_cgroups().await;
    let file = stable.file("pid");
    stable.serve(&["--scrub", "--orphan", &format!("--grandchild={}", file.display())]).await.unwrap();
    let orphan = pid_in(&file).await;
    stable.close().await;
    assert!(!is_alive(orphan));
}

#[tokio::test]
async fn an_orphan_that_cleared_its_environment_dies_too_in_a_cgroup() {
    let stable = Stable::open().await;
    // Where the launcher found none that it may write, there is nothing to be in.
    match cgroups(stable.launcher.mark()).is_empty() {
        true => stable.close().await,
        false => dies_too(stable, &["--scrub", "--orphan"]).await,
    }
}

#[tokio::test]
async fn a_child_is_in_its_cgroup_from_the_beginning() {
    let stable = Stable::open().await;
    if !cgroups(stable.launcher.mark()).is_empty() {
        // The first it does is to say where it is.
        let spec = ChildSpec::new(["cat", "/proc/self/cgroup"]).unwrap();
        let Err(StartError::ExitedEarly { tail, .. }) = stable.start(&spec).await else {
            panic!("cat serves")
        };
        assert!(tail.to_string().contains(stable.launcher.mark()), "{tail}");
    }
    stable.close().await;
}

#[tokio::test]
async fn what_outlived_a_leader_that_died_is_ended_with_its_scope() {
    for stable in [Stable::open().await, Stable::without_cgroups().await] {
        let file = stable.file("pid");
        let grandchild = format!("--grandchild={}", file.display());
        let stall = stable.serve(&["--die-after=50", &grandchild]).await.unwrap();
        stall.child.exited().await;
        let grandchild = pid_in(&file).await;
        assert!(is_alive(grandchild));
        assert!(stall.scope.halt().await.is_clean());
        assert!(!is_alive(grandchild));
        stable.close().await;
    }
}

#[tokio::test]
async fn an_orphan_that_ends_by_itself_is_waited_for() {
    let stable = Stable::open().await;
    let file = stable.file("pid");
    let grandchild = format!("--grandchild={}", file.display());
    let stall = stable.serve(&["--orphan", &grandchild]).await.unwrap();
    let orphan = pid_in(&file).await;
    kill_process(Pid::from_raw(orphan as i32).unwrap(), Signal::KILL).unwrap();
    eventually("not even a zombie", || !Path::new(&format!("/proc/{orphan}")).exists()).await;
    assert!(is_alive(stall.child.pid()));
    stable.close().await;
}

#[tokio::test]
async fn what_other_code_of_this_process_starts_keeps_its_status() {
    let stable = Stable::open().await;
    // The thread that started it has ended, so it hangs on our first one, where adopted ones are as well. Its session tells it apart.
    let started = std::thread::spawn(|| std::process::Command::new("true").spawn());
    let mut other = started.join().unwrap().unwrap();
    eventually("a zombie", || !is_alive(other.id())).await;
    let stall =
        stable.serve(&["--orphan", &format!("--grandchild={}", stable.file("pid").display())]).await.unwrap();
    stall.child.stop().await.unwrap();
    assert!(other.wait().unwrap().success());
    stable.close().await;
}

#[tokio::test]
async fn stopping_twice_at_once_is_stopping_once() {
    let stable = Stable::open().await;
    let stall = stable.serve(&[]).await.unwrap();
    let (first, second) = tokio::join!(stall.child.stop(), stall.child.stop());
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert!(stall.scope.halt().await.is_clean());
    stable.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_children_stopped_together_are_all_gone() {
    let stable = Stable::without_cgroups().await;
    let starts = (0..20).map(|_| stable.serve(&["--ignore-term"]));
    let stalls: Vec<Stall> =
        futures::future::join_all(starts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(marked(stable.launcher.mark()).len(), 20);
    let reports = futures::future::join_all(stalls.iter().map(|stall| stall.scope.halt())).await;
    assert!(reports.iter().all(ostler_scope::Report::is_clean));
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn the_launchers_end_takes_children_whose_scope_lives_on() {
    let stable = Stable::open().await;
    let elsewhere = ostler_scope::Scope::root("elsewhere").open().unwrap();
    let order = ostler_pool::Start { scope: elsewhere.clone(), ..stable.order(Duration::from_secs(20)) };
    let child = stable.launcher.start(&fake(&[]), "x", &order).await.unwrap();
    assert!(stable.scope.halt().await.is_clean());
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    assert_eq!(child.exited().await.exit, Exit::Signal(9));
    assert!(elsewhere.halt().await.is_clean());
    assert_nothing_left(stable.launcher.mark(), stable.root());
}
