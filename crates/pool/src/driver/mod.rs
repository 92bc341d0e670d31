//! The one task that does what the machine wants: starts, stops, checks and watches servers.

mod server;
mod shared;

use std::convert::Infallible;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ostler_scope::{Closed, Deadline, Group, Report, Scope, Task, TaskError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

pub(crate) use self::shared::{AddressOf, Answer, Running, Shared};
use crate::machine::{Deed, Input, Order};
use crate::slot::Ring;
use crate::{Factory, Generation, Key, Policy, SharedError, Start};

/// What the driver listens to beside the machine's orders.
pub(crate) struct Ears {
    /// Where servers live; each is a member with a scope of its own.
    pub(crate) servers: Group,
    pub(crate) rings: UnboundedReceiver<Ring>,
}

/// Runs until the pool's scope aborts it, which it does when all servers are gone.
pub(crate) async fn drive<F: Factory>(shared: Arc<Shared<F>>, ears: Ears) -> Result<(), Infallible> {
    let Ears { servers, mut rings } = ears;
    let mut endings = FuturesUnordered::new();
    let mut checks = FuturesUnordered::new();
    let mut closing = false;
    loop {
        let (orders, alarm, drain) = shared.take_orders();
        for Order { key, generation, deed } in orders {
            match deed {
                Deed::Start { policy } => match start(&shared, &servers, &key, generation, &policy) {
                    Ok(scope) => endings.push(watch(Arc::clone(&shared), key, generation, scope)),
                    Err(Closed) => {
                        shared.tell(Input::Close);
                        shared.gone(&key, generation, None);
                    }
                },
                Deed::Stop { within } => stop(&shared, &key, generation, within, drain.as_ref()),
                Deed::Halt => halt(&shared, &key, generation),
                Deed::Check { within } => {
                    if let Some(check) = check(&shared, &key, generation, within) {
                        checks.push(async move { (key, generation, check.await) });
                    }
                }
            }
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            Some(Ring { key, generation }) = rings.recv() => shared.tell(Input::Look { key, generation }),
            Some((key, generation, report)) = endings.next() => end(&shared, &key, generation, report),
            Some((key, generation, result)) = checks.next() => judge(&shared, key, generation, result),
            () = at(alarm) => shared.tell(Input::Tick),
            () = expired(drain.as_ref()), if !closing => {
                closing = true;
                shared.tell(Input::Close);
            }
        }
    }
}

/// Opens the server's scope and starts its task in it.
fn start<F: Factory>(
    shared: &Arc<Shared<F>>,
    servers: &Group,
    key: &Key,
    generation: Generation,
    policy: &Policy,
) -> Result<Scope, Closed> {
    let name = format!("{key}#{generation}");
    let scope = servers.scope(name).cleanup_deadline(policy.cleanup_timeout).open()?;
    let (stop, stopped) = oneshot::channel();
    let running = Running {
        generation,
        scope: scope.handle(),
        started_at: SystemTime::now(),
        ready_at: None,
        resource: None,
        stop: Some(stop),
        max_uses: policy.max_uses.map(|max| NonZeroU64::new(max).unwrap_or(NonZeroU64::MIN)),
    };
    shared.lock().running.insert(key.clone(), running);
    let deadline = Deadline::after(policy.start_timeout);
    let start = Start { key: key.clone(), generation, scope: scope.clone(), deadline };
    // Refused only if the pool's scope has begun to halt since; then so has this one, and it will be seen to end.
    let _ = scope.spawn("server", server::run(Arc::clone(shared), start, stopped));
    Ok(scope)
}

/// Follows a server's scope to its end, and tells when that begins: from then on nobody should be sent there.
async fn watch<F: Factory>(
    shared: Arc<Shared<F>>,
    key: Key,
    generation: Generation,
    scope: Scope,
) -> (Key, Generation, Report) {
    scope.halting().cancelled().await;
    shared.tell(Input::Halting { key: key.clone(), generation });
    let report = scope.ended().await;
    (key, generation, report)
}

fn end<F: Factory>(shared: &Shared<F>, key: &Key, generation: Generation, report: Report) {
    shared.note_stuck(report.stuck);
    let error = report.error.map(|error| Arc::new(error) as SharedError);
    shared.gone(key, generation, error);
}

/// Has the server's task drain its resource and halt its scope.
fn stop<F: Factory>(
    shared: &Shared<F>,
    key: &Key,
    generation: Generation,
    within: Duration,
    drain: Option<&Deadline>,
) {
    let deadline = drain.map_or_else(|| Deadline::after(within), |drain| drain.child(within));
    let mut state = shared.lock();
    let Some(running) = state.running.get_mut(key).filter(|running| running.generation == generation) else {
        return;
    };
    // A task that does not listen any more has ended, and its scope with it.
    running.stop.take().map(|stop| stop.send(deadline));
}

fn halt<F: Factory>(shared: &Shared<F>, key: &Key, generation: Generation) {
    let scope = {
        let state = shared.lock();
        let running = state.running.get(key).filter(|running| running.generation == generation);
        running.and_then(|running| running.scope.upgrade())
    };
    // Halting begins with the call; its end is seen where the scope is watched.
    if let Some(scope) = scope {
        drop(scope.halt());
    }
}

/// Starts a health check in the server's scope.
fn check<F: Factory>(
    shared: &Shared<F>,
    key: &Key,
    generation: Generation,
    within: Duration,
) -> Option<Task<Result<(), SharedError>>> {
    let (scope, resource) = {
        let state = shared.lock();
        let running = state.running.get(key).filter(|running| running.generation == generation)?;
        (running.scope.upgrade()?, Arc::clone(running.resource.as_ref()?))
    };
    scope.supervise("check", server::check(resource, within)).ok()
}

fn judge<F: Factory>(
    shared: &Shared<F>,
    key: Key,
    generation: Generation,
    result: Result<Result<(), SharedError>, TaskError>,
) {
    let result = match result {
        Ok(result) => result,
        Err(TaskError::Failed(panic)) => Err(Arc::new(panic) as SharedError),
        // The scope has ended under it, and that says more.
        Err(TaskError::Halted) => return,
    };
    shared.tell(Input::Checked { key, generation, result });
}

async fn at(alarm: Option<Instant>) {
    match alarm {
        Some(alarm) => sleep_until(alarm).await,
        None => std::future::pending().await,
    }
}

async fn expired(drain: Option<&Deadline>) {
    match drain {
        Some(drain) => drain.expired().await,
        None => std::future::pending().await,
    }
}
