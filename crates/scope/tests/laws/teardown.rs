//! Laws 1, 3, 4 and 7: how a scope is taken down.

use std::time::Duration;

use futures::FutureExt;
use ostler_scope::{BoxError, Cleanup, TaskError};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::support::{Broken, Trace, root, settle};

/// Law 1.
#[tokio::test(start_paused = true)]
async fn the_body_is_cleaned_up_first_then_the_rest_in_reverse_order_of_creation_one_after_another() {
    let (root, trace) = (root(), Trace::default());
    let result = root
        .run("work", |scope| {
            let trace = trace.clone();
            async move {
                trace.ensure(&scope, "first");
                drop(scope.spawn("task", trace.until_dropped("second"))?);
                let child = scope.child("child").open()?;
                trace.ensure(&child, "third");
                let slow = trace.clone();
                scope.ensure("slow", move |_| async move {
                    slow.note("fourth begins");
                    sleep(Duration::from_secs(1)).await;
                    slow.note("fourth ends");
                    Ok::<_, BoxError>(())
                })?;
                drop(scope.spawn("failing", async {
                    sleep(Duration::from_secs(1)).await;
                    Err::<(), _>(Broken("end it"))
                })?);
                let _body = trace.mark("body");
                std::future::pending::<Result<(), BoxError>>().await
            }
        })
        .await;
    assert!(result.is_err());
    assert_eq!(trace.events(), ["body", "fourth begins", "fourth ends", "third", "second", "first"]);
    root.halt().await;
}

/// Law 1, for a body that returns.
#[tokio::test(start_paused = true)]
async fn a_body_that_returns_is_gone_before_its_finalizers_run() {
    let (root, trace) = (root(), Trace::default());
    let (finalizers, body) = (trace.clone(), trace.clone());
    root.run("work", |scope| async move {
        finalizers.ensure(&scope, "finalizer");
        let _body = body.mark("body");
        Ok::<_, BoxError>(())
    })
    .await
    .unwrap();
    assert_eq!(trace.events(), ["body", "finalizer"]);
    root.halt().await;
}

/// Law 3.
#[tokio::test(start_paused = true)]
async fn halt_resolves_after_the_cleanup_of_the_whole_subtree() {
    let (root, trace) = (root(), Trace::default());
    let grandchild = root.child("child").open().unwrap().child("grandchild").open().unwrap();
    let slow = trace.clone();
    grandchild
        .ensure("slow", move |_| async move {
            sleep(Duration::from_secs(3)).await;
            slow.note("cleaned");
            Ok::<_, BoxError>(())
        })
        .unwrap();
    let report = root.halt().await;
    assert_eq!(trace.events(), ["cleaned"]);
    assert!(report.is_clean());
    assert_eq!(report.elapsed, Duration::from_secs(3));
    assert_eq!(root.tree().paths(), ["main"]);
}

/// Law 3.
#[tokio::test(start_paused = true)]
async fn halting_twice_runs_cleanup_once_and_both_callers_get_the_report() {
    let (root, trace) = (root(), Trace::default());
    trace.ensure(&root, "cleaned");
    let (first, second) = tokio::join!(root.halt(), root.halt());
    let third = root.halt().now_or_never().expect("a halt after the end is a no-op");
    assert_eq!(trace.events(), ["cleaned"]);
    assert_eq!((first.elapsed, second.elapsed), (third.elapsed, third.elapsed));
}

/// Law 3.
#[tokio::test(start_paused = true)]
async fn a_halt_that_nobody_awaits_is_carried_out() {
    let (root, trace) = (root(), Trace::default());
    trace.ensure(&root, "cleaned");
    drop(root.halt());
    assert!(root.halting().is_cancelled());
    root.ended().await;
    assert_eq!(trace.events(), ["cleaned"]);
}

/// Law 3.
#[tokio::test(start_paused = true)]
async fn awaiting_a_halted_task_yields_halted() {
    let root = root();
    let task = root.spawn("task", std::future::pending::<Result<(), BoxError>>()).unwrap();
    root.halt().await;
    assert!(matches!(task.await, Err(TaskError::Halted)));
}

/// Law 3.
#[tokio::test(start_paused = true)]
async fn halting_one_task_leaves_the_scope_open_and_a_finished_one_as_it_is() {
    let (root, trace) = (root(), Trace::default());
    let endless = root.spawn("endless", trace.until_dropped("dropped")).unwrap();
    let finished = root.spawn("finished", async { Ok::<_, BoxError>(7) }).unwrap();
    settle().await;
    assert!(matches!(endless.halt().await, Err(TaskError::Halted)));
    assert_eq!(trace.events(), ["dropped"]);
    assert_eq!(finished.halt().await.unwrap(), 7);
    assert!(!root.halting().is_cancelled());
    assert!(root.halt().await.is_clean());
}

/// Law 4.
#[tokio::test(start_paused = true)]
async fn a_failing_cleanup_does_not_stop_the_others_and_masks_no_error() {
    let (root, trace) = (root(), Trace::default());
    trace.ensure(&root, "oldest");
    root.ensure("panics", |_| async { panic!("spilled") as Result<(), BoxError> }).unwrap();
    root.ensure("fails", |_| async { Err(Broken("jammed")) }).unwrap();
    trace.ensure(&root, "newest");
    drop(root.spawn("worker", async { Err::<(), _>(Broken("primary")) }).unwrap());
    let error = root.ended().await.error.unwrap();
    assert_eq!(trace.events(), ["newest", "oldest"]);
    assert_eq!(error.path(), "main/worker");
    assert_eq!(error.downcast_ref(), Some(&Broken("primary")));
    let suppressed: Vec<_> = error.suppressed().iter().map(ToString::to_string).collect();
    assert_eq!(suppressed, ["main/fails: jammed", "main/panics: panicked: spilled"]);
}

/// Law 4.
#[tokio::test(start_paused = true)]
async fn a_failing_cleanup_after_a_requested_halt_is_the_error() {
    let root = root();
    let child = root.child("child").open().unwrap();
    child.ensure("fails", |_| async { Err(Broken("jammed")) }).unwrap();
    assert_eq!(root.halt().await.error.unwrap().to_string(), "main/child/fails: jammed");
}

/// Law 7.
#[tokio::test(start_paused = true)]
async fn what_a_finalizer_spawns_is_awaited() {
    let (root, trace) = (root(), Trace::default());
    trace.ensure(&root, "older");
    let spawned = trace.clone();
    root.ensure("flush", move |Cleanup { scope, .. }| async move {
        spawned.ensure(&scope, "its own finalizer");
        drop(scope.clone().spawn("outer", async move {
            sleep(Duration::from_secs(1)).await;
            let inner = spawned.clone();
            drop(scope.spawn("inner", async move {
                sleep(Duration::from_secs(1)).await;
                inner.note("flushed");
                Ok::<_, BoxError>(())
            })?);
            Ok::<_, BoxError>(())
        })?);
        Ok::<_, BoxError>(())
    })
    .unwrap();
    let report = root.halt().await;
    assert!(report.is_clean());
    assert_eq!(trace.events(), ["flushed", "its own finalizer", "older"]);
}

/// Law 7: the one who cleans up owns what cleans up with it.
#[tokio::test(start_paused = true)]
async fn a_failure_of_what_a_finalizer_spawned_is_a_failure_of_the_cleanup() {
    let root = root();
    root.ensure("flush", |Cleanup { scope, .. }| async move {
        drop(scope.spawn("disk", async { Err::<(), _>(Broken("full")) })?);
        Ok::<_, BoxError>(())
    })
    .unwrap();
    assert_eq!(root.halt().await.error.unwrap().to_string(), "main/flush/disk: full");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_reports_its_own_halting_is_no_failure() {
    let root = root();
    let (started, running) = oneshot::channel();
    let inside = root.clone();
    drop(
        root.spawn("runner", async move {
            // The run's scope is the younger one: it goes first, and tells the runner with an error.
            inside
                .run("nested", |_| async {
                    started.send(()).ok();
                    std::future::pending::<Result<(), BoxError>>().await
                })
                .await
        })
        .unwrap(),
    );
    running.await.unwrap();
    let report = root.halt().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_is_torn_down_all_the_same() {
    let (root, trace) = (root(), Trace::default());
    let inside = trace.clone();
    let run = root.run("work", |scope| async move {
        inside.ensure(&scope, "cleaned");
        std::future::pending::<Result<(), BoxError>>().await
    });
    assert!(run.now_or_never().is_none());
    settle().await;
    assert_eq!(trace.events(), ["cleaned"]);
    assert_eq!(root.tree().paths(), ["main"]);
    root.halt().await;
}
