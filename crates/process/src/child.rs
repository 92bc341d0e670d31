//! A ready child as a resource of the pool.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ostler_net::Address;
use ostler_pool::Resource;
use ostler_scope::{BoxError, Deadline, Subscriber};
use tokio::time::{Instant, timeout};

use crate::error::{Exited, StopError};
use crate::leader::Leader;
use crate::logs::{LogLine, Tail};
use crate::output::Sink;
use crate::probe::Readiness;
use crate::ready::TAIL;
use crate::running::Running;
use crate::spec::StopBudgets;

/// How long the last words of an ended child are waited for.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// A child that was ready, which is to say that it accepted connections on a port proven to be its own.
///
/// Its scope ends it, however it is left; dropping this value does nothing.
#[derive(Debug)]
pub struct Child {
    pub(crate) running: Arc<Running>,
    pub(crate) leader: Arc<Leader>,
    pub(crate) address: Address,
    pub(crate) readiness: Readiness,
    pub(crate) budgets: StopBudgets,
}

impl Child {
    /// Where it serves.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The process we started.
    pub fn pid(&self) -> u32 {
        self.leader.pid()
    }

    /// What it writes. The handle outlives the child.
    pub fn logs(&self) -> Logs {
        Logs::of(&self.running)
    }

    /// Resolves when the process we started has ended, with the last it wrote. Cancel safe.
    pub async fn exited(&self) -> Exited {
        let exit = self.leader.exited().await;
        let _ = timeout(LAST_WORDS, self.running.sink.ended()).await;
        Exited { exit, tail: self.running.sink.ring.tail(TAIL) }
    }

    /// Asks it whether it serves, in the way that made it ready. Has no deadline of its own. Cancel safe.
    ///
    /// # Errors
    /// It does not accept, or the probe says no.
    pub async fn check(&self) -> Result<(), BoxError> {
        self.readiness.ask(&self.address).await
    }

    /// Sends SIGTERM to its process group and waits until it has ended, at most until the sooner of `deadline` and the drain
    /// budget. What is left then is ended by its scope, or by [`Child::stop`]. Cancel safe: the request stands.
    pub async fn drain(&self, deadline: &Deadline) {
        tokio::select! {
            biased;
            () = self.running.drain(&self.leader, Instant::now() + self.budgets.drain) => {}
            () = deadline.expired() => {}
        }
    }

    /// The whole ladder: SIGTERM, the drain budget, then SIGKILL to everything of it, however far it has run, until nothing is
    /// left. When this returns `Ok`, no process with its mark lives and its port or socket is free. Idempotent; cancel safe: its scope
    /// finishes the rest.
    ///
    /// # Errors
    /// Something did not end within the kill budget.
    pub async fn stop(&self) -> Result<(), StopError> {
        self.running.drain(&self.leader, Instant::now() + self.budgets.drain).await;
        self.running.end(Instant::now() + self.budgets.kill).await
    }
}

impl Resource for Child {
    type Address = Address;

    fn address(&self) -> Address {
        self.address.clone()
    }

    async fn exited(&self) -> BoxError {
        Self::exited(self).await.into()
    }

    async fn check(&self) -> Result<(), BoxError> {
        Self::check(self).await
    }

    async fn drain(&self, deadline: Deadline) {
        Self::drain(self, &deadline).await;
    }

    fn pid(&self) -> Option<u32> {
        Some(Self::pid(self))
    }
}

/// The output of one child: the last lines, and those to come.
#[derive(Clone)]
pub struct Logs {
    sink: Arc<Sink>,
}

impl Logs {
    pub(crate) fn of(running: &Running) -> Self {
        Self { sink: Arc::clone(&running.sink) }
    }

    /// The lines that are kept, oldest first, both streams as they were read.
    pub fn lines(&self) -> Vec<LogLine> {
        self.sink.ring.lines()
    }

    /// The last `count` lines of stderr, or of stdout when there are none.
    pub fn tail(&self, count: usize) -> Tail {
        self.sink.ring.tail(count)
    }

    /// The lines from now on, at most `capacity` of them waiting; a reader that is too slow is told how many it missed. Ends with
    /// the child's output. To miss nothing in between, subscribe first, then take [`Logs::lines`], and skip by
    /// [`LogLine::number`].
    ///
    /// # Panics
    /// When `capacity` is zero.
    pub fn follow(&self, capacity: usize) -> Subscriber<LogLine> {
        self.sink.lines.subscribe(capacity)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs")
            .field("key", &self.sink.key)
            .field("generation", &self.sink.generation)
            .finish()
    }
}
