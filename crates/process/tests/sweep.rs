//! The start-up sweep: what a dead instance left is ended, what a live one has is not touched.

use std::time::Duration;

use crate::guard::OtherHost;
use crate::stable::Stable;
use crate::traces::{carrying, is_alive, within};

#[tokio::test]
async fn what_a_dead_instance_left_is_ended_at_the_next_start() {
    let mut host = OtherHost::start(&["--unguarded", "--no-cgroup"]).await;
    host.kill();
    within(Duration::from_secs(2), "the child is gone", || !is_alive(host.child)).await;
    assert!(is_alive(host.grandchild));
    let stable = Stable::open().await;
    assert!(!is_alive(host.grandchild));
    assert_eq!(carrying(&host.mark), [0; 0]);
    stable.close().await;
}

#[tokio::test]
async fn the_directories_of_a_dead_instance_are_removed_at_the_next_start() {
    let mut host = OtherHost::start(&["--unguarded"]).await;
    host.kill();
    let count = || std::fs::read_dir(host.root.path()).unwrap().count();
    assert_eq!(count(), 1);
    let root = host.root.path().to_owned();
    let stable =
        Stable::with(|config| ostler_process::LauncherConfig { runtime_root: Some(root), ..config }).await;
    assert_eq!(count(), 1, "the new one's");
    assert!(stable.scope.halt().await.is_clean());
    crate::traces::assert_nothing_left(&host.mark, host.root.path());
}

#[tokio::test]
async fn a_live_instance_is_not_touched() {
    let host = OtherHost::start(&["--no-cgroup"]).await;
    let stable = Stable::open().await;
    assert!(is_alive(host.child) && is_alive(host.grandchild));
    stable.close().await;
    assert!(is_alive(host.child) && is_alive(host.grandchild));
}
