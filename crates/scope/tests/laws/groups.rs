//! Law 1, second half: the members of a group stop together, under what time the owner has left.

use std::time::Duration;

use ostler_scope::{BoxError, Cleanup, NodeKind, Scope, TaskError};
use tokio::time::sleep;

use crate::support::{Broken, Trace, root, settle};

const SECOND: Duration = Duration::from_secs(1);

/// Law 1.
#[tokio::test(start_paused = true)]
async fn members_of_a_group_stop_concurrently_in_the_groups_turn() {
    let (root, trace) = (root(), Trace::default());
    trace.ensure(&root, "older");
    let group = root.group("servers").unwrap();
    trace.ensure(&root, "newer");
    for number in 0..100 {
        let member = group.scope(format!("server#{number}")).open().unwrap();
        member
            .ensure("drain", |_| async {
                sleep(SECOND).await;
                Ok::<_, BoxError>(())
            })
            .unwrap();
    }
    let (early, late) = (trace.clone(), trace.clone());
    let watch = group.clone();
    let watching = tokio::spawn(async move {
        watch.halting().cancelled().await;
        early.note("group halts");
        watch.ended().await;
        late.note("group ended");
    });
    let report = root.halt().await;
    watching.await.unwrap();
    assert_eq!(report.elapsed, SECOND);
    assert_eq!(trace.events()[..2], ["newer", "group halts"]);
    assert!(trace.events().contains(&"older".to_owned()));
}

/// Law 1.
#[tokio::test(start_paused = true)]
async fn members_share_what_time_the_owner_has_left() {
    let root = Scope::root("main").cleanup_deadline(5 * SECOND).open().unwrap();
    let group = root.group("servers").unwrap();
    root.ensure("slow", |_| async {
        sleep(2 * SECOND).await;
        Ok::<_, BoxError>(())
    })
    .unwrap();
    let (tell, mut left) = tokio::sync::mpsc::unbounded_channel();
    for name in ["a", "b"] {
        let tell = tell.clone();
        let member = group.scope(name).cleanup_deadline(60 * SECOND).open().unwrap();
        member
            .ensure("hangs", move |Cleanup { deadline, .. }| {
                tell.send(deadline.remaining()).unwrap();
                std::future::pending::<Result<(), BoxError>>()
            })
            .unwrap();
    }
    let report = root.halt().await;
    assert_eq!((left.recv().await, left.recv().await), (Some(3 * SECOND), Some(3 * SECOND)));
    assert_eq!(report.elapsed.as_secs(), 5);
    let mut stuck = report.stuck;
    stuck.sort();
    assert_eq!(stuck, ["main/servers/a/hangs", "main/servers/b/hangs"]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_member_is_a_value_and_leaves_the_group() {
    let root = root();
    let group = root.group("connections").unwrap();
    let endless = group.spawn("endless", std::future::pending::<Result<(), BoxError>>()).unwrap();
    let failing = group.spawn("failing", async { Err::<(), _>(Broken("reset")) }).unwrap();
    assert_eq!(group.len(), 2);
    assert!(
        matches!(failing.await, Err(TaskError::Failed(error)) if error.path() == "main/connections/failing")
    );
    assert_eq!(group.len(), 1);
    let scope = group.scope("scope").open().unwrap();
    scope.daemon("pump", async { Ok::<_, BoxError>(()) }).unwrap();
    assert!(scope.ended().await.error.is_some());
    assert!(!group.halting().is_cancelled());
    let report = group.halt().await;
    assert!(report.is_clean() && group.is_empty());
    assert!(matches!(endless.await, Err(TaskError::Halted)));
    assert!(!root.halting().is_cancelled());
    root.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_halts_takes_no_members() {
    let root = root();
    let group = root.group("connections").unwrap();
    group.halt().await;
    assert!(group.spawn("late", async { Ok::<_, BoxError>(()) }).is_err());
    assert!(group.scope("late").open().is_err());
    root.halt().await;
}

#[tokio::test(start_paused = true)]
async fn the_live_tree_lists_what_exists_and_nothing_else() {
    let (root, trace) = (root(), Trace::default());
    let pool = root.child("pool").open().unwrap();
    let group = pool.group("servers").unwrap();
    let shop = group.scope("shop#1").open().unwrap();
    drop(shop.spawn("accept", trace.until_dropped("stopped")).unwrap());
    shop.daemon("beat", std::future::pending::<Result<(), BoxError>>()).unwrap();
    trace.ensure(&shop, "close");
    drop(shop.supervise("brief", async { Ok::<_, BoxError>(()) }).unwrap());
    tokio::time::advance(SECOND).await;
    settle().await;
    assert_eq!(shop.path(), "main/pool/servers/shop#1");
    let tree = root.tree();
    assert_eq!(
        tree.paths(),
        [
            "main",
            "main/pool",
            "main/pool/servers",
            "main/pool/servers/shop#1",
            "main/pool/servers/shop#1/accept",
            "main/pool/servers/shop#1/beat",
            "main/pool/servers/shop#1/close",
        ]
    );
    assert!(tree.age >= SECOND);
    let members = &tree.children[0].children[0];
    assert_eq!(members.kind, NodeKind::Group);
    let kinds: Vec<_> = members.children[0].children.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [NodeKind::Task, NodeKind::Daemon, NodeKind::Finalizer]);
    shop.halt().await;
    assert_eq!(root.tree().paths(), ["main", "main/pool", "main/pool/servers"]);
    root.halt().await;
}
