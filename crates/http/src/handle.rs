//! A running server, as those who started it see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ostler_net::{Address, Listener};
use ostler_scope::{Closed, Deadline, Scope};

use crate::accept::Acceptor;
use crate::drain::State;
use crate::supervisor::{Alive, REAPING, Shared};
use crate::{Drain, Observer, Remaining, ServeError, ServerConfig};

/// A running server. Cheap to clone; the server ends with the scope it was started in, or when it is drained.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

impl ServerHandle {
    pub(crate) fn new(
        listener: Listener,
        config: ServerConfig,
        shares: usize,
        observer: Arc<dyn Observer>,
    ) -> (Self, Acceptor) {
        let (shared, acceptor) = Shared::new(listener, config, shares, observer);
        (Self { shared }, acceptor)
    }

    /// Runs `serving` in a scope of its own whose end drains first.
    pub(crate) fn own<F>(
        self,
        scope: &Scope,
        name: impl Into<ostler_scope::Name>,
        serving: F,
    ) -> Result<Self, ServeError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let budget = self.shared.config.drain_timeout + REAPING;
        let scope = scope.child(name).cleanup_deadline(budget).open()?;
        // Set once: a server lives in one scope.
        let _ = self.shared.halting.set(scope.halting().clone());
        let reported = Arc::new(AtomicBool::new(false));
        // The first to be registered is the last to run. A machine that gives us no time until all deadlines have passed has
        // the drain itself given up, and its error with it: then it is told here.
        let (server, is_reported) = (self.clone(), Arc::clone(&reported));
        let stopped = self.shared.stopped.clone().drop_guard();
        scope.ensure("account", async move |_| {
            let told = match is_reported.load(Ordering::Acquire) {
                true => Ok(()),
                false => report(server.shared.sum_up().await),
            };
            drop(stopped);
            told
        })?;
        let serving = Alive::in_scope(&self.shared).during(serving);
        let closed = self.shared.closed.clone();
        drop(scope.spawn("accept", async move {
            // Nothing is accepted behind it, however it ends.
            let _closed = closed.drop_guard();
            serving.await;
            Ok::<_, Closed>(())
        })?);
        let server = self.clone();
        scope.ensure("drain", async move |cleanup| {
            let drain = server.drain_before(&cleanup.deadline).await;
            reported.store(true, Ordering::Release);
            report(drain)
        })?;
        Ok(self)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where it listens: the port that the system chose for port 0.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Makes place for who accepts on the same socket from now on, in this process or in another: stops accepting, and closes each
    /// connection behind its next response, which says so. Nothing is closed on a client that is about to ask. A client of HTTP/2 is told
    /// at once, and what it has asked for until it knows is answered.
    ///
    /// Returns when nothing is accepted any more; [`gone`](Self::gone) tells when the last connection has ended. A drain can follow
    /// at any time. Cancel safe: the server retires all the same.
    pub async fn retire(&self) {
        self.shared.retire().await;
    }

    /// Waits until there is no connection. Cancel safe.
    pub async fn gone(&self) {
        self.shared.census.empty().await;
    }

    /// Whether clients have to speak TLS.
    pub fn is_encrypted(&self) -> bool {
        self.shared.config.tls.is_some()
    }

    /// How far it is.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.census.open()
    }

    /// How many times a connection has given back what a conversation takes, because nothing was asked for in a while.
    pub fn rested(&self) -> u64 {
        self.shared.tables.iter().map(|table| table.rested()).sum()
    }

    /// Responses begun since the start.
    pub fn served(&self) -> u64 {
        self.shared.served()
    }

    /// Connections open now, by phase.
    pub fn phases(&self) -> Remaining {
        self.shared.phases()
    }

    /// Waits until the server has ended, for whatever reason, without asking it to. Cancel safe.
    pub async fn wait(&self) -> Drain {
        self.shared.stopped.cancelled().await;
        self.shared.drained.get().cloned().unwrap_or(Drain::SupervisorFailed)
    }

    /// Ends the server as the end of its scope does: it drains for at most [`ServerConfig::drain_timeout`], and early enough for
    /// what is reset to have ended before `end`. Servers that are to drain together are asked to at the same time, before
    /// their scope halts them one after another. Cancel safe like [`drain`](Self::drain).
    pub async fn drain_before(&self, end: &Deadline) -> Drain {
        // The first one to say so is the one whose scope ends.
        let _ = self.shared.end.set(end.clone());
        let left = end.remaining();
        let patience = left.saturating_sub(REAPING.min(left / 4));
        self.drain(end.child(self.shared.config.drain_timeout.min(patience))).await
    }

    /// Ends the server within `deadline`: it goes on accepting for [`ServerConfig::lame_duck`], then stops, closes what is
    /// idle, lets exchanges in flight finish, and resets what is left at `deadline`.
    ///
    /// A second call shortens the first one's deadline if its own is earlier, and gets the same result. Cancel safe in
    /// that a dropped call leaves the server closing; another call takes the drain up.
    pub async fn drain(&self, deadline: Deadline) -> Drain {
        self.shared.join_drain(deadline).await
    }
}

/// What a scope is told of the end of its server.
fn report(drain: Drain) -> Result<(), DrainTimedOut> {
    match drain {
        // What failed has told the scope itself.
        Drain::Drained { .. } | Drain::SupervisorFailed => Ok(()),
        cut @ (Drain::TimedOut(_) | Drain::Forced(_)) => Err(DrainTimedOut(cut)),
    }
}

/// The drain of a halted server passed its deadline.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DrainTimedOut(pub Drain);
