//! The pool's handle.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ostler_scope::{Closed, Deadline, Scope, Subscriber};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::driver::{self, AddressOf, Answer, Ears, Shared};
use crate::machine::{Input, View, WaiterId};
use crate::{Event, Factory, Key, Lease, LeaseError, NotFound, PoolConfig, ServerInfo, ServerState, Slot};

/// How much longer than its drain the end of a halted pool may take: for the teardown of servers that the drain has left.
const TEARDOWN: Duration = Duration::from_secs(10);

/// A keyed pool of servers: started by the first call for their key, shared by all, gone when nobody needs them.
///
/// A cheap handle; clones are the same pool. The pool lives in a scope of its own and ends with it, not with the last
/// handle: then all servers stop and every waiting call is answered with [`LeaseError::Closed`]. The handle is also in
/// that scope's context, for whatever runs in it.
pub struct Pool<F: Factory> {
    shared: Arc<Shared<F>>,
}

/// How a pool drained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// Servers that have stopped since the pool took no more calls.
    pub stopped: usize,
    /// Leases that were out when their server was ended nevertheless.
    pub cut: usize,
    /// Paths of what did not stop in time, as in [`ostler_scope::Report::stuck`].
    pub stuck: Vec<String>,
}

impl<F: Factory> Pool<F> {
    /// Starts an empty pool in a child scope `pool` of `scope`. Servers run on the runtime of the caller.
    ///
    /// When `scope` is halted the pool drains for at most [`PoolConfig::drain_timeout`]; what is left then is torn down.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting or has ended.
    pub fn start(scope: &Scope, config: PoolConfig, factory: F) -> Result<Self, Closed> {
        let (shared, rings) = Shared::new(config, factory);
        let pool = Self { shared };
        let drain_timeout = pool.config().drain_timeout;
        let own = scope
            .child("pool")
            .context(pool.clone())
            .cleanup_deadline(drain_timeout.saturating_add(TEARDOWN))
            .open()?;
        // What is opened last stops first: the drain, then what it left of the servers, while the driver can still tell
        // of it; then the driver; then the events close.
        let last_word = pool.clone();
        own.ensure("events", move |_| async move {
            last_word.shared.finish();
            Ok::<(), Closed>(())
        })?;
        let (give, given) = oneshot::channel();
        let shared = Arc::clone(&pool.shared);
        own.daemon("driver", async move {
            let servers = given.await.map_err(|_| Closed)?;
            let Ok(()) = driver::drive(shared, Ears { servers, rings }).await;
            Ok::<(), Closed>(())
        })?;
        // If the driver has been aborted meanwhile, so is everything else.
        let _ = give.send(own.group("servers")?);
        let draining = pool.clone();
        own.ensure("drain", async move |cleanup| {
            // What is cut off at the end of the drain needs time to end in.
            let left = cleanup.deadline.remaining();
            let patience = left.saturating_sub(TEARDOWN.min(left / 4));
            draining.drain(cleanup.deadline.child(drain_timeout.min(patience))).await;
            Ok::<(), Closed>(())
        })?;
        Ok(pool)
    }

    /// A lease of the server of that key, which is started if there is none. Calls for the same key share one start.
    ///
    /// In a full pool the call waits, in order of arrival, until a server becomes idle and can be evicted.
    ///
    /// Cancel safe: dropping the future takes the call back, and a start that only it wanted goes on to become an idle
    /// server unless it has not begun.
    ///
    /// # Errors
    /// A [`LeaseError`] that says why, at `deadline` at the latest.
    pub async fn get_or_create(
        &self,
        key: &Key,
        deadline: Instant,
    ) -> Result<Lease<AddressOf<F>>, LeaseError> {
        if let Some(lease) = self.get(key) {
            return Ok(lease);
        }
        let policy = self.shared.factory.policy(key);
        let (waiter, answered) = self.shared.call(key, deadline, policy);
        Call { shared: &self.shared, waiter, answered }.answer().await
    }

    /// A lease of the server of that key if it is ready; starts nothing.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Lease<AddressOf<F>>> {
        self.shared.lock().machine.slot(key)?.lease()
    }

    /// The slot of a ready server, to keep and lease from.
    #[must_use]
    pub fn slot(&self, key: &Key) -> Option<Slot<AddressOf<F>>> {
        self.shared.lock().machine.slot(key).cloned()
    }

    /// The servers that are ready, by key.
    #[must_use]
    pub fn list(&self) -> Vec<ServerInfo<AddressOf<F>>> {
        let mut servers = self.servers();
        servers.retain(|server| server.state == ServerState::Ready);
        servers
    }

    /// All servers, by key.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerInfo<AddressOf<F>>> {
        let now = Instant::now();
        let state = self.shared.lock();
        let mut servers: Vec<_> =
            state.machine.views(now).map(|view| inform(view, &state.running, now)).collect();
        drop(state);
        servers.sort_by(|one, other| one.key.cmp(&other.key));
        servers
    }

    /// The server of that key, whatever its state.
    #[must_use]
    pub fn server(&self, key: &Key) -> Option<ServerInfo<AddressOf<F>>> {
        let now = Instant::now();
        let state = self.shared.lock();
        state.machine.view(key, now).map(|view| inform(view, &state.running, now))
    }

    /// Has the server of that key drain and stop, and resolves when it is gone. Calls that wait for the key then get a
    /// new one.
    ///
    /// Cancel safe: dropping the future only stops the waiting.
    ///
    /// # Errors
    /// [`NotFound`] when no server of that key has been started.
    pub async fn shutdown(&self, key: &Key) -> Result<(), NotFound> {
        let gone = {
            let mut state = self.shared.lock();
            let view = state.machine.view(key, Instant::now()).ok_or(NotFound)?;
            if view.state == ServerState::Reserved {
                return Err(NotFound);
            }
            let (tell, gone) = oneshot::channel();
            state.awaited.entry(view.generation).or_default().push(tell);
            self.shared.tell_locked(&mut state, Input::Shutdown { key: key.clone() });
            gone
        };
        // The other end is kept until the server is gone.
        let _ = gone.await;
        Ok(())
    }

    /// Takes no more calls, answers those that wait with [`LeaseError::Closed`], has all servers stop at once as their
    /// leases end, and resolves when they are gone. At the deadline leases are cut off; the teardown of the servers'
    /// scopes then still has its own cleanup time.
    ///
    /// Cancel safe: dropping the future only stops the waiting. Another call joins the drain under way, and can only
    /// bring its deadline forward.
    pub async fn drain(&self, deadline: Deadline) -> Drained {
        {
            let mut state = self.shared.lock();
            match &state.drain {
                Some(sooner) => sooner.shorten(deadline.instant()),
                // A deadline of our own under the caller's: bringing it forward is not to cut other parties short.
                None => state.drain = Some(deadline.child(Duration::MAX)),
            }
            self.shared.tell_locked(&mut state, Input::Drain);
        }
        // The driver has to hear of the deadline.
        self.shared.nudge();
        self.shared.over.wait().await;
        let state = self.shared.lock();
        Drained { stopped: state.stopped, cut: state.machine.cut(), stuck: state.stuck.clone() }
    }

    /// What happens from now on, of which at most `capacity` events are kept for a subscriber that does not keep up.
    /// The stream ends when the pool has drained or its scope has halted, after the last `Stopped`.
    ///
    /// # Panics
    /// When `capacity` is zero.
    pub fn events(&self, capacity: usize) -> Subscriber<Event<AddressOf<F>>> {
        self.shared.events.subscribe(capacity)
    }

    /// The bounds it was started with.
    #[must_use]
    pub fn config(&self) -> &PoolConfig {
        &self.shared.config
    }

    /// What makes its servers.
    #[must_use]
    pub fn factory(&self) -> &F {
        &self.shared.factory
    }
}

impl<F: Factory> Clone for Pool<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F: Factory> fmt::Debug for Pool<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("config", self.config()).finish_non_exhaustive()
    }
}

/// A call that waits for its answer, and is taken back if it does not wait for it.
struct Call<'a, F: Factory> {
    shared: &'a Shared<F>,
    waiter: WaiterId,
    answered: oneshot::Receiver<Answer<F>>,
}

impl<F: Factory> Call<'_, F> {
    async fn answer(mut self) -> Answer<F> {
        (&mut self.answered).await.unwrap_or(Err(LeaseError::Closed))
    }
}

impl<F: Factory> Drop for Call<'_, F> {
    fn drop(&mut self) {
        self.shared.cancel(self.waiter);
    }
}

/// Puts together what the machine and the driver know about a server.
fn inform<F: Factory>(
    view: View<AddressOf<F>>,
    running: &std::collections::HashMap<Key, driver::Running<F>>,
    now: Instant,
) -> ServerInfo<AddressOf<F>> {
    let running = running.get(&view.key).filter(|running| running.generation == view.generation);
    let slot = view.slot.as_ref();
    let idle_since = slot.and_then(Slot::idle_since);
    ServerInfo {
        state: view.state,
        address: slot.map(|slot| slot.address().clone()),
        pid: slot.and_then(Slot::pid),
        started_at: running.map(|running| running.started_at),
        ready_at: running.and_then(|running| running.ready_at),
        task: running.map(|running| running.scope.clone()),
        leases: slot.map_or(0, Slot::leases),
        served: slot.map_or(0, Slot::served),
        idle: idle_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        why_alive: view.why_alive,
        key: view.key,
        generation: view.generation,
    }
}
