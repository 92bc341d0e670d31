//! The task of one server, in the server's own scope.

use std::sync::Arc;
use std::time::Duration;

use ostler_scope::{BoxError, Deadline};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::shared::Shared;
use crate::machine::Input;
use crate::{CheckTimedOut, Factory, Resource, SharedError, Start};

/// Starts the server, watches it, and drains it when told to. An error that the factory or the resource returns is the
/// machine's to judge; a panic fails the scope, whose end the machine hears of too.
pub(super) async fn run<F: Factory>(
    shared: Arc<Shared<F>>,
    start: Start,
    stopped: oneshot::Receiver<Deadline>,
) -> Result<(), BoxError> {
    let scope = start.scope.clone();
    live(&shared, start, stopped).await;
    // However it ended: a server that exits at the moment it is told to stop would otherwise be waited for by a machine
    // that has nothing more to say. Not awaited: that would be to wait for this very task.
    drop(scope.halt());
    Ok(())
}

async fn live<F: Factory>(shared: &Shared<F>, start: Start, stopped: oneshot::Receiver<Deadline>) {
    let (key, generation) = (start.key.clone(), start.generation);
    // Boxed, so that what a start needs is not kept for as long as the server lives.
    let resource = match Box::pin(shared.factory.start(start)).await {
        Ok(resource) => Arc::new(resource),
        Err(error) => return shared.tell(Input::StartFailed { key, generation, error: error.into() }),
    };
    shared.ready(&key, generation, &resource);
    let exited = resource.exited();
    tokio::pin!(exited);
    let deadline = tokio::select! {
        error = &mut exited => return shared.tell(Input::Exited { key, generation, error: error.into() }),
        Ok(deadline) = stopped => deadline,
    };
    tokio::select! {
        () = Box::pin(resource.drain(deadline.clone())) => {}
        _ = exited => {}
        () = deadline.expired() => {}
    }
}

/// One health check.
pub(super) async fn check<R: Resource>(
    resource: Arc<R>,
    within: Duration,
) -> Result<Result<(), SharedError>, BoxError> {
    Ok(match timeout(within, resource.check()).await {
        Ok(result) => result.map_err(SharedError::from),
        Err(_) => Err(Arc::new(CheckTimedOut(within))),
    })
}
