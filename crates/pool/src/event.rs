//! What a pool tells its observers.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Generation, Key, SharedError};

/// One transition of one server.
///
/// Those of a server come in the order `Started`, `Ready`, then why it goes (`Evicted` or `Failed`, with `Unhealthy`
/// before it if that was the reason), then `Stopped`: exactly one for each `Started`, after everything the server
/// held has been given back.
#[derive(Debug, Clone)]
pub struct Event<A> {
    /// Whose server.
    pub key: Key,
    /// Which one; `None` when there is none, as in [`EventKind::LimitReached`].
    pub generation: Option<Generation>,
    /// The wall-clock time of the transition.
    pub at: SystemTime,
    /// What happened.
    pub kind: EventKind<A>,
}

/// The transitions.
#[derive(Debug, Clone)]
pub enum EventKind<A> {
    /// The factory was asked for it.
    Started,
    /// It can be leased.
    Ready {
        /// Where it serves.
        address: A,
    },
    /// It is gone, and its socket, child and tasks with it.
    Stopped,
    /// It takes no more leases because the pool wants it to go.
    Evicted {
        /// Why.
        cause: EvictCause,
    },
    /// It did not start, or ended without being asked to.
    Failed {
        /// What it said.
        error: SharedError,
    },
    /// It failed as many health checks in a row as its policy allows.
    Unhealthy {
        /// What the last one said.
        error: SharedError,
    },
    /// A call found no place and nobody idle to make one. Told once, until a call waits for nothing again.
    LimitReached {
        /// The quota that is full; `None` when it is the pool.
        quota: Option<Arc<str>>,
    },
}

/// The transitions without what there is to say of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventName {
    /// [`EventKind::Started`]
    Started,
    /// [`EventKind::Ready`]
    Ready,
    /// [`EventKind::Stopped`]
    Stopped,
    /// [`EventKind::Evicted`]
    Evicted,
    /// [`EventKind::Failed`]
    Failed,
    /// [`EventKind::Unhealthy`]
    Unhealthy,
    /// [`EventKind::LimitReached`]
    LimitReached,
}

/// Why the pool wants a server to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EvictCause {
    /// Not leased for its idle timeout.
    Idle,
    /// The least recently used idle server when the pool was full and another key was called.
    Capacity,
    /// The same within its quota.
    Quota,
    /// Older than its maximum age.
    MaxAge,
    /// Leased as often as it may be.
    MaxUses,
    /// Failed its health checks.
    Unhealthy,
    /// [`Pool::shutdown`](crate::Pool::shutdown).
    Requested,
    /// The pool is draining or its scope is halting.
    Drained,
}

impl EvictCause {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Capacity,
        Self::Quota,
        Self::MaxAge,
        Self::MaxUses,
        Self::Unhealthy,
        Self::Requested,
        Self::Drained,
    ];

    /// The cause as one lower-case word, for metrics and interfaces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Capacity => "capacity",
            Self::Quota => "quota",
            Self::MaxAge => "max_age",
            Self::MaxUses => "max_uses",
            Self::Unhealthy => "unhealthy",
            Self::Requested => "requested",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for EvictCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<A> EventKind<A> {
    /// Which one it is.
    pub const fn name(&self) -> EventName {
        match self {
            Self::Started => EventName::Started,
            Self::Ready { .. } => EventName::Ready,
            Self::Stopped => EventName::Stopped,
            Self::Evicted { .. } => EventName::Evicted,
            Self::Failed { .. } => EventName::Failed,
            Self::Unhealthy { .. } => EventName::Unhealthy,
            Self::LimitReached { .. } => EventName::LimitReached,
        }
    }

    /// The kind as one lower-case word, for metrics and interfaces.
    pub const fn as_str(&self) -> &'static str {
        self.name().as_str()
    }
}

impl EventName {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Ready,
        Self::Stopped,
        Self::Evicted,
        Self::Failed,
        Self::Unhealthy,
        Self::LimitReached,
    ];

    /// The name as one lower-case word, for metrics and interfaces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Stopped => "stopped",
            Self::Evicted => "evicted",
            Self::Failed => "failed",
            Self::Unhealthy => "unhealthy",
            Self::LimitReached => "limit_reached",
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
