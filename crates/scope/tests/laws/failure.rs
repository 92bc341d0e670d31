//! Law 2: who learns of a failure.

use std::sync::Arc;
use std::time::Duration;

use ostler_scope::{BoxError, Cause, TaskError};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::support::{Broken, Trace, root, settle};

/// Law 2.
#[tokio::test(start_paused = true)]
async fn a_linked_failure_halts_its_siblings_and_fails_the_parent_with_its_path() {
    let (root, trace) = (root(), Trace::default());
    let child = root.child("shop").open().unwrap();
    trace.ensure(&root, "root cleaned");
    trace.ensure(&child, "child cleaned");
    drop(child.spawn("sibling", trace.until_dropped("sibling halted")).unwrap());
    let failing = child.spawn("till", async { Err::<(), _>(Broken("jammed")) }).unwrap();
    let error = root.ended().await.error.unwrap();
    assert_eq!(error.path(), "main/shop/till");
    assert_eq!(error.downcast_ref(), Some(&Broken("jammed")));
    assert!(error.suppressed().is_empty());
    assert_eq!(trace.events(), ["sibling halted", "child cleaned", "root cleaned"]);
    assert!(matches!(failing.await, Err(TaskError::Failed(error)) if error.path() == "main/shop/till"));
}

/// Law 2.
#[tokio::test(start_paused = true)]
async fn a_failure_in_a_run_drops_its_body_and_is_the_callers_to_catch() {
    let (root, trace) = (root(), Trace::default());
    let body = trace.clone();
    let error = root
        .run("attempt", |scope| async move {
            let _body = body.mark("body dropped");
            drop(scope.spawn("failing", async { Err::<(), _>(Broken("no luck")) })?);
            std::future::pending::<Result<(), BoxError>>().await
        })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "main/attempt/failing: no luck");
    assert_eq!(trace.events(), ["body dropped"]);
    assert!(!root.halting().is_cancelled());
    assert!(root.halt().await.is_clean());
}

/// Law 2.
#[tokio::test(start_paused = true)]
async fn the_error_of_a_body_comes_before_those_of_its_cleanup() {
    let root = root();
    let error = root
        .run("attempt", |scope| async move {
            scope.ensure("mop", |_| async { Err(Broken("wet")) })?;
            Err::<(), BoxError>(Broken("first").into())
        })
        .await
        .unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Broken("first")));
    assert_eq!(error.suppressed()[0].to_string(), "main/attempt/mop: wet");
    root.halt().await;
}

/// Law 2.
#[tokio::test(start_paused = true)]
async fn any_unrequested_end_of_a_daemon_fails_its_owner() {
    for (outcome, expected) in [(Ok(()), "daemon ended unasked"), (Err(Broken("lost")), "lost")] {
        let root = root();
        root.daemon("heartbeat", async { outcome }).unwrap();
        let error = root.ended().await.error.unwrap();
        assert_eq!(error.to_string(), format!("main/heartbeat: {expected}"));
    }
}

/// Law 2.
#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_halted_with_its_owner_fails_nothing() {
    let (root, trace) = (root(), Trace::default());
    root.daemon("heartbeat", trace.until_dropped("stopped")).unwrap();
    settle().await;
    assert!(root.halt().await.is_clean());
    assert_eq!(trace.events(), ["stopped"]);
}

/// Law 2.
#[tokio::test(start_paused = true)]
async fn a_supervised_failure_is_a_value_and_touches_no_sibling() {
    let root = root();
    let sibling = root.spawn("sibling", async {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, BoxError>("unharmed")
    });
    let task = root.supervise("connection", async { Err::<(), _>(Broken("reset")) }).unwrap();
    let scope = root.child("session").supervised().open().unwrap();
    drop(scope.spawn("reader", async { Err::<(), _>(Broken("eof")) }).unwrap());
    assert!(
        matches!(task.await, Err(TaskError::Failed(error)) if error.downcast_ref() == Some(&Broken("reset")))
    );
    assert_eq!(scope.ended().await.error.unwrap().to_string(), "main/session/reader: eof");
    assert_eq!(sibling.unwrap().await.unwrap(), "unharmed");
    assert!(root.halt().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_of_its_task_with_path_and_message() {
    let root = root();
    let number = 42;
    let task = root.spawn("clumsy", async move { panic!("dropped {number} plates") as Result<(), BoxError> });
    let error = root.ended().await.error.unwrap();
    assert_eq!(error.to_string(), "main/clumsy: panicked: dropped 42 plates");
    assert!(matches!(error.cause(), Cause::Panic(_)));
    assert!(
        matches!(task.unwrap().await, Err(TaskError::Failed(error)) if matches!(error.cause(), Cause::Panic(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_task_is_dropped_is_not_lost() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let root = root();
    let bomb = Bomb;
    drop(
        root.spawn("fused", async move {
            let _bomb = bomb;
            std::future::pending::<Result<(), BoxError>>().await
        })
        .unwrap(),
    );
    settle().await;
    let error = root.halt().await.error.unwrap();
    assert_eq!(error.path(), "main/fused");
    assert!(matches!(error.cause(), Cause::Panic(_)));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_handed_on_is_told_once() {
    let root = root();
    let (started, reading) = oneshot::channel();
    let failing = root.spawn("source", async {
        reading.await.unwrap();
        Err::<(), _>(Broken("spring dry"))
    });
    let failing = failing.unwrap();
    let reader = root.spawn_blocking("reader", move |_| {
        started.send(()).unwrap();
        futures::executor::block_on(failing)
    });
    drop(reader.unwrap());
    let error = root.ended().await.error.unwrap();
    assert_eq!(error.path(), "main/source");
    assert!(error.suppressed().is_empty(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_source_of_an_error_is_kept() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot open")]
    struct Outer(#[source] Broken);
    let root = root();
    drop(root.spawn("opener", async { Err::<(), _>(Outer(Broken("no such file"))) }).unwrap());
    let error: Arc<dyn std::error::Error> = Arc::new(root.ended().await.error.unwrap());
    assert_eq!(error.to_string(), "main/opener: cannot open");
    assert_eq!(error.source().unwrap().to_string(), "no such file");
}
