//! Law 8: values that something keeps serving.

use std::time::Duration;

use futures::FutureExt;
use ostler_scope::{BoxError, Cause};
use tokio::time::sleep;

use crate::support::{Broken, Trace, root, settle};

/// Law 8.
#[tokio::test(start_paused = true)]
async fn the_caller_of_a_resource_resumes_once_it_is_provided_and_it_serves_on() {
    let (root, trace) = (root(), Trace::default());
    let inside = trace.clone();
    let port = root
        .resource("server", |scope| async move {
            inside.ensure(&scope, "closed");
            drop(scope.spawn("accept", inside.until_dropped("stopped"))?);
            sleep(Duration::from_secs(1)).await;
            Ok::<_, BoxError>(8080)
        })
        .await
        .unwrap();
    assert_eq!(port, 8080);
    assert_eq!(root.tree().paths(), ["main", "main/server", "main/server/closed", "main/server/accept"]);
    assert!(root.halt().await.is_clean());
    assert_eq!(trace.events(), ["stopped", "closed"]);
}

/// Law 8.
#[tokio::test(start_paused = true)]
async fn a_failure_before_a_resource_is_provided_is_the_callers() {
    let (root, trace) = (root(), Trace::default());
    let inside = trace.clone();
    let error = root
        .resource("server", |scope| async move {
            inside.ensure(&scope, "closed");
            Err::<(), BoxError>(Broken("port taken").into())
        })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "main/server: port taken");
    let inside = trace.clone();
    let error = root
        .resource("other", |scope| async move {
            let _body = inside.mark("init dropped");
            drop(scope.spawn("accept", async { Err::<(), _>(Broken("no file descriptors")) })?);
            std::future::pending::<Result<(), BoxError>>().await
        })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "main/other/accept: no file descriptors");
    assert_eq!(trace.events(), ["closed", "init dropped"]);
    assert_eq!(root.tree().paths(), ["main"]);
    assert!(root.halt().await.is_clean());
}

/// Law 8.
#[tokio::test(start_paused = true)]
async fn a_failure_after_a_resource_is_provided_fails_the_owner() {
    let root = root();
    root.resource("server", |scope| async move {
        drop(scope.spawn("accept", async {
            sleep(Duration::from_secs(1)).await;
            Err::<(), _>(Broken("lost the socket"))
        })?);
        Ok::<_, BoxError>(())
    })
    .await
    .unwrap();
    assert_eq!(root.ended().await.error.unwrap().to_string(), "main/server/accept: lost the socket");
}

#[tokio::test(start_paused = true)]
async fn a_resource_whose_owner_halts_while_it_starts_is_taken_back() {
    let (root, trace) = (root(), Trace::default());
    let inside = trace.clone();
    let starting = root.resource("server", |scope| async move {
        inside.ensure(&scope, "closed");
        let _body = inside.mark("init dropped");
        std::future::pending::<Result<(), BoxError>>().await
    });
    let (result, report) = tokio::join!(starting, async {
        settle().await;
        root.halt().await
    });
    assert!(matches!(result.unwrap_err().cause(), Cause::Halted));
    assert!(report.is_clean());
    assert_eq!(trace.events(), ["init dropped", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_resource_whose_caller_stops_waiting_is_taken_back() {
    let (root, trace) = (root(), Trace::default());
    let inside = trace.clone();
    let starting = root.resource("server", |scope| async move {
        inside.ensure(&scope, "closed");
        std::future::pending::<Result<(), BoxError>>().await
    });
    assert!(starting.now_or_never().is_none());
    settle().await;
    assert_eq!(trace.events(), ["closed"]);
    assert_eq!(root.tree().paths(), ["main"]);
    root.halt().await;
}
