//! Law 10: several bodies at once.

use std::time::Duration;

use ostler_scope::{BoxError, Cause, Scope};
use tokio::time::sleep;

use crate::support::{Broken, Trace, root};

type Outcome = Result<&'static str, Broken>;

/// A body that settles after `seconds`, with cleanup that takes one more.
fn body(
    trace: &Trace,
    seconds: u64,
    outcome: Outcome,
) -> impl FnOnce(Scope) -> futures::future::BoxFuture<'static, Result<&'static str, BoxError>> + Send + 'static
{
    let trace = trace.clone();
    move |scope| {
        Box::pin(async move {
            scope.ensure("cleanup", move |_| async move {
                sleep(Duration::from_secs(1)).await;
                trace.note(format!("cleaned up after {seconds}"));
                Ok::<_, BoxError>(())
            })?;
            sleep(Duration::from_secs(seconds)).await;
            Ok(outcome?)
        })
    }
}

/// Law 10.
#[tokio::test(start_paused = true)]
async fn all_gives_every_value_in_order() {
    let (root, trace) = (root(), Trace::default());
    let bodies = [body(&trace, 3, Ok("slow")), body(&trace, 1, Ok("fast"))];
    assert_eq!(root.all("both", bodies).await.unwrap(), ["slow", "fast"]);
    assert_eq!(root.tree().paths(), ["main"]);
    root.halt().await;
}

/// Law 10.
#[tokio::test(start_paused = true)]
async fn the_first_error_of_all_halts_the_rest_and_their_cleanup_is_awaited() {
    let (root, trace) = (root(), Trace::default());
    let bodies =
        [body(&trace, 30, Ok("slow")), body(&trace, 2, Err(Broken("broke"))), body(&trace, 1, Ok("fast"))];
    let error = root.all("three", bodies).await.unwrap_err();
    assert_eq!(error.to_string(), "main/three/1: broke");
    assert_eq!(trace.events(), ["cleaned up after 1", "cleaned up after 2", "cleaned up after 30"]);
    assert!(root.halt().await.is_clean());
}

/// Law 10.
#[tokio::test(start_paused = true)]
async fn the_first_to_settle_wins_a_race_and_the_losers_cleanup_is_awaited() {
    let (root, trace) = (root(), Trace::default());
    let bodies = [body(&trace, 30, Ok("slow")), body(&trace, 1, Ok("fast"))];
    assert_eq!(root.race("mirrors", bodies).await.unwrap(), "fast");
    assert_eq!(trace.events(), ["cleaned up after 1", "cleaned up after 30"]);
    assert_eq!(root.tree().paths(), ["main"]);

    let bodies = [body(&trace, 30, Ok("slow")), body(&trace, 1, Err(Broken("broke")))];
    let error = root.race("mirrors", bodies).await.unwrap_err();
    assert_eq!(error.to_string(), "main/mirrors/1: broke");
    assert!(root.halt().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_race_without_contestants_is_halted_not_endless() {
    let root = root();
    let none = [body(&Trace::default(), 0, Ok("never runs"))].into_iter().take(0);
    assert!(matches!(root.race("nobody", none).await.unwrap_err().cause(), Cause::Halted));
    root.halt().await;
}
