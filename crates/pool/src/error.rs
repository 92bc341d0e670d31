//! Why a call got no lease.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::{Generation, Key};

/// An error that several waiters, an event and the memory of the key share.
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// Why [`Pool::get_or_create`](crate::Pool::get_or_create) has no lease to give.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LeaseError {
    /// The pool is full, all servers are leased, and the wait for a place is over or the queue is full.
    #[error("all servers are in use, try again in {retry_after:?}")]
    Exhausted {
        /// When it may be worth another try.
        retry_after: Duration,
    },
    /// The same for the quota the key falls under.
    #[error("all servers of {quota} are in use, try again in {retry_after:?}")]
    QuotaExhausted {
        /// The quota's name.
        quota: Arc<str>,
        /// When it may be worth another try.
        retry_after: Duration,
    },
    /// The server failed before it was ready.
    #[error("{0}")]
    StartFailed(#[source] Arc<StartFailure>),
    /// The server was not ready when its start deadline passed, and has been ended.
    #[error("{0}")]
    StartTimedOut(#[source] Arc<StartFailure>),
    /// The key has failed before and is not tried again yet.
    #[error("not tried again for {retry_after:?}: {last}")]
    BackingOff {
        /// When the next try is allowed.
        retry_after: Duration,
        /// What happened the last time.
        #[source]
        last: Arc<StartFailure>,
    },
    /// The caller's deadline passed; the start it waited for goes on.
    #[error("the deadline of the call passed before a server was ready")]
    DeadlinePassed,
    /// The pool is draining or gone.
    #[error("the pool takes no more calls")]
    Closed,
}

/// How a server failed, before it was ready or soon after.
#[derive(Debug, thiserror::Error)]
#[error("server {key} failed: {error}")]
pub struct StartFailure {
    /// Whose server.
    pub key: Key,
    /// Which one.
    pub generation: Generation,
    /// What the factory, the server or its scope said; may be downcast.
    #[source]
    pub error: SharedError,
}

/// There is no server under that key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no server of that key is running")]
pub struct NotFound;

/// The pool ended a start whose factory had not answered by the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not ready within {0:?}")]
pub struct NotReadyInTime(pub Duration);

/// A health check had not ended in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("health check not answered within {0:?}")]
pub struct CheckTimedOut(pub Duration);

/// The scope of a server was halted by something else than its pool, and named no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's scope was halted from elsewhere")]
pub struct HaltedElsewhere;
