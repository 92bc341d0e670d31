//! Law 5: cleanup ends.

use std::sync::mpsc;
use std::time::Duration;

use futures::FutureExt;
use ostler_scope::{BoxError, Cleanup, Deadline, NodeKind, Scope};
use tokio::sync::oneshot;
use tokio::time::{Instant, advance, sleep};

use crate::support::{Trace, root, settle};

const SECOND: Duration = Duration::from_secs(1);

/// Law 5.
#[tokio::test(start_paused = true)]
async fn a_cleanup_that_never_ends_is_cut_off_at_the_deadline_and_named() {
    let (root, trace) = (Scope::root("main").cleanup_deadline(5 * SECOND).open().unwrap(), Trace::default());
    trace.ensure(&root, "older");
    let hanging = trace.clone();
    root.ensure("hangs", move |_| hanging.until_dropped("cut off")).unwrap();
    trace.ensure(&root, "newer");
    let report = root.halt().await;
    assert_eq!(report.stuck, ["main/hangs"]);
    assert_eq!(report.elapsed.as_secs(), 5);
    assert_eq!(trace.events(), ["newer", "cut off", "older"]);
    assert!(report.error.is_none());
}

/// Law 5.
#[tokio::test(start_paused = true)]
async fn what_a_finalizer_spawned_is_cut_off_with_it() {
    let root = Scope::root("main").cleanup_deadline(SECOND).open().unwrap();
    root.ensure("flush", |Cleanup { scope, .. }| async move {
        drop(scope.spawn("endless", std::future::pending::<Result<(), BoxError>>())?);
        Ok::<_, BoxError>(())
    })
    .unwrap();
    assert_eq!(root.halt().await.stuck, ["main/flush/endless"]);
}

/// Law 5.
#[tokio::test(start_paused = true)]
async fn a_childs_deadline_is_the_smaller_of_its_own_and_what_its_parent_has_left() {
    let root = Scope::root("main").cleanup_deadline(10 * SECOND).open().unwrap();
    let report_left = |scope: &Scope| {
        let (tell, left) = oneshot::channel();
        scope
            .ensure("measure", |Cleanup { deadline, .. }| async move {
                tell.send(deadline.remaining()).ok();
                Ok::<_, BoxError>(())
            })
            .unwrap();
        left
    };
    let patient = root.child("patient").cleanup_deadline(60 * SECOND).open().unwrap();
    let patient = report_left(&patient);
    let hasty = root.child("hasty").cleanup_deadline(2 * SECOND).open().unwrap();
    let hasty = report_left(&hasty);
    root.ensure("slow", |_| async {
        sleep(3 * SECOND).await;
        Ok::<_, BoxError>(())
    })
    .unwrap();
    root.halt().await;
    assert_eq!(hasty.await.unwrap(), 2 * SECOND);
    assert_eq!(patient.await.unwrap(), 7 * SECOND);
}

/// Law 5.
#[tokio::test(start_paused = true)]
async fn a_child_that_was_halting_already_is_held_to_its_parents_deadline() {
    let root = Scope::root("main").cleanup_deadline(2 * SECOND).open().unwrap();
    let child = root.child("child").cleanup_deadline(60 * SECOND).open().unwrap();
    child.ensure("hangs", |_| std::future::pending::<Result<(), BoxError>>()).unwrap();
    drop(child.halt());
    let report = root.halt().await;
    assert_eq!(report.stuck, ["main/child/hangs"]);
    assert_eq!(report.elapsed.as_secs(), 2);
}

/// Law 5.
#[tokio::test(start_paused = true)]
async fn a_child_that_is_halted_for_itself_still_has_no_more_than_its_halting_owner() {
    let root = Scope::root("main").cleanup_deadline(2 * SECOND).open().unwrap();
    let child = root.child("child").open().unwrap();
    let grandchild = child.child("grandchild").cleanup_deadline(60 * SECOND).open().unwrap();
    let (tell, left) = oneshot::channel();
    grandchild
        .ensure("measure", |Cleanup { deadline, .. }| async move {
            tell.send(deadline.remaining()).ok();
            Ok::<_, BoxError>(())
        })
        .unwrap();
    root.ensure("impatient", move |_| async move {
        grandchild.halt().await;
        Ok::<_, BoxError>(())
    })
    .unwrap();
    root.halt().await;
    assert_eq!(left.await.unwrap(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_halt_under_way_can_be_shortened_but_not_extended() {
    let root = Scope::root("main").cleanup_deadline(10 * SECOND).open().unwrap();
    root.ensure("hangs", |_| std::future::pending::<Result<(), BoxError>>()).unwrap();
    let halt = root.halt();
    drop(root.halt_by(&Deadline::after(60 * SECOND)));
    drop(root.halt_by(&Deadline::after(SECOND)));
    assert_eq!(halt.await.elapsed.as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_whose_turn_comes_after_the_deadline_still_gets_the_grace_period() {
    let (root, trace) =
        (Scope::root("main").cleanup_deadline(SECOND).grace(SECOND / 10).open().unwrap(), Trace::default());
    let late = trace.clone();
    root.ensure("late", move |Cleanup { deadline, .. }| async move {
        assert!(deadline.is_expired());
        sleep(SECOND / 20).await;
        late.note("killed the child");
        Ok::<_, BoxError>(())
    })
    .unwrap();
    root.ensure("hangs", |_| std::future::pending::<Result<(), BoxError>>()).unwrap();
    let report = root.halt().await;
    assert_eq!(report.stuck, ["main/hangs"]);
    assert_eq!(trace.events(), ["killed the child"]);
}

/// Only then does it know that it has to be quick.
#[tokio::test(start_paused = true)]
async fn a_finalizer_whose_deadline_is_brought_forward_gets_the_grace_period_from_there() {
    let (root, trace) = (
        Scope::root("main").cleanup_deadline(9 * SECOND).grace(SECOND / 10).open().unwrap(),
        Trace::default(),
    );
    let hurried = trace.clone();
    root.ensure("drain", move |Cleanup { deadline, .. }| async move {
        deadline.expired().await;
        sleep(SECOND / 20).await;
        hurried.note("said what it cut");
        Ok::<_, BoxError>(())
    })
    .unwrap();
    let halt = root.halt();
    sleep(SECOND).await;
    drop(root.halt_by(&Deadline::at(Instant::now())));
    let report = halt.await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(trace.events(), ["said what it cut"]);
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_that_is_not_done_a_grace_period_after_its_deadline_was_brought_forward_is_cut_off() {
    let root = Scope::root("main").cleanup_deadline(9 * SECOND).grace(SECOND / 10).open().unwrap();
    root.ensure("hangs", |Cleanup { scope, .. }| async move {
        // What ends meanwhile buys no time.
        for tenths in 10..20 {
            drop(scope.spawn("ends", sleep(tenths * SECOND / 10).map(Ok::<_, BoxError>))?);
        }
        std::future::pending::<Result<(), BoxError>>().await
    })
    .unwrap();
    let halt = root.halt();
    sleep(SECOND).await;
    drop(root.halt_by(&Deadline::at(Instant::now())));
    let report = halt.await;
    assert!(report.stuck.contains(&"main/hangs".to_owned()), "{report:?}");
    assert_eq!(report.elapsed.as_millis() / 100, 11);
}

/// On a machine that is too busy to run anything, time passes in which nobody could have ended.
#[tokio::test(start_paused = true)]
async fn a_grace_period_in_which_nothing_ran_was_none() {
    let (root, trace) =
        (Scope::root("main").cleanup_deadline(SECOND).grace(SECOND / 10).open().unwrap(), Trace::default());
    let quick = trace.clone();
    root.ensure("drain", move |_| async move {
        sleep(SECOND / 2).await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        quick.note("said what it cut");
        Ok::<_, BoxError>(())
    })
    .unwrap();
    let halt = root.halt();
    settle().await;
    advance(5 * SECOND).await;
    let report = halt.await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(trace.events(), ["said what it cut"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_its_caller_neither_polls_nor_drops_is_waited_for_until_the_deadline() {
    let (root, trace) = (Scope::root("main").cleanup_deadline(SECOND).open().unwrap(), Trace::default());
    let inside = trace.clone();
    let mut run = Box::pin(root.run("held", |scope| async move {
        inside.ensure(&scope, "cleaned");
        let _body = inside.mark("body dropped");
        std::future::pending::<Result<(), BoxError>>().await
    }));
    assert!(run.as_mut().now_or_never().is_none());
    let report = root.halt().await;
    assert_eq!(report.stuck, ["main/held"]);
    assert_eq!(trace.events(), ["cleaned"]);
    assert!(run.await.is_err());
    assert_eq!(trace.events(), ["cleaned", "body dropped"]);
}

/// Blocking work cannot be aborted: it is told, and named if it stays.
#[tokio::test(start_paused = true)]
async fn blocking_work_and_threads_that_overstay_are_reported_stuck() {
    let root = Scope::root("main").cleanup_deadline(SECOND).open().unwrap();
    let (release, hold) = mpsc::channel::<()>();
    let (thread_release, thread_hold) = mpsc::channel::<()>();
    let (ready, started) = oneshot::channel();
    drop(
        root.spawn_blocking("deaf", move |_| {
            ready.send(()).ok();
            hold.recv()
        })
        .unwrap(),
    );
    root.thread("mute", move |_| thread_hold.recv()).unwrap();
    started.await.unwrap();
    let halt = root.halt();
    // The clock does not advance by itself while the blocking pool is at work.
    for _ in 0..2 {
        settle_without_clock().await;
        advance(SECOND).await;
    }
    let mut report = halt.await;
    report.stuck.sort();
    assert_eq!(report.stuck, ["main/deaf", "main/mute"]);
    assert!(report.elapsed >= SECOND);
    drop((release, thread_release));
}

#[tokio::test(start_paused = true)]
async fn blocking_work_and_threads_that_heed_their_token_end_in_time() {
    let root = root();
    let (ready, started) = oneshot::channel();
    let task = root.spawn_blocking("polite", |token| {
        ready.send(()).ok();
        futures::executor::block_on(token.cancelled());
        Ok::<_, BoxError>("heeded")
    });
    let task = task.unwrap();
    root.thread("tidy", |token| {
        futures::executor::block_on(token.cancelled());
        Ok::<_, BoxError>(())
    })
    .unwrap();
    started.await.unwrap();
    let kinds: Vec<_> = root.tree().children.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [NodeKind::Blocking, NodeKind::Thread]);
    assert!(root.halt().await.is_clean());
    assert_eq!(task.await.unwrap(), "heeded");
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_returns_unasked_fails_its_owner() {
    let root = root();
    root.thread("worker", |_| Ok::<_, BoxError>(())).unwrap();
    assert_eq!(root.ended().await.error.unwrap().to_string(), "main/worker: daemon ended unasked");
}

/// A task whose poll never returns cannot be aborted either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_blocks_its_thread_is_reported_stuck() {
    let root = Scope::root("main").cleanup_deadline(SECOND / 50).grace(SECOND / 50).open().unwrap();
    let (release, hold) = mpsc::channel::<()>();
    let (ready, started) = oneshot::channel();
    drop(
        root.spawn("spinning", async move {
            ready.send(()).ok();
            hold.recv()
        })
        .unwrap(),
    );
    started.await.unwrap();
    assert_eq!(root.halt().await.stuck, ["main/spinning"]);
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_follows_its_parent_and_never_moves_back() {
    let parent = Deadline::after(10 * SECOND);
    let child = parent.child(5 * SECOND);
    let unlimited = parent.child(Duration::MAX);
    assert_eq!((child.remaining(), unlimited.remaining()), (5 * SECOND, 10 * SECOND));
    parent.shorten(Instant::now() + 2 * SECOND);
    parent.shorten(Instant::now() + 60 * SECOND);
    assert_eq!((child.remaining(), unlimited.remaining()), (2 * SECOND, 2 * SECOND));
    child.shorten(Instant::now() + SECOND);
    assert_eq!(parent.remaining(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_deadline_is_woken_when_it_is_shortened() {
    let deadline = Deadline::after(10 * SECOND);
    let child = deadline.child(20 * SECOND);
    let waiting = tokio::spawn(async move { child.expired().await });
    settle().await;
    deadline.shorten(Instant::now());
    settle().await;
    assert!(waiting.is_finished());
    let unshortened = Deadline::after(SECOND);
    assert!(unshortened.expired().now_or_never().is_none());
    advance(SECOND).await;
    unshortened.expired().await;
}

async fn settle_without_clock() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
