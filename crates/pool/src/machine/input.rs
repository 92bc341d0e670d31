//! What the machine is told, and what it wants done.

use std::time::Duration;

use tokio::time::Instant;

use crate::slot::Slot;
use crate::{EventKind, Generation, Key, Lease, LeaseError, Policy, SharedError};

/// One call that waits, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WaiterId(pub(crate) u64);

/// A fact. Each about a server names its generation, so that one that comes late is seen to be late.
#[derive(Debug)]
pub(crate) enum Input<A> {
    /// Somebody wants a lease. `waiter` is higher than that of every call before.
    Acquire { waiter: WaiterId, key: Key, deadline: Instant, policy: Box<Policy> },
    /// The caller has gone away.
    Cancel { waiter: WaiterId },
    /// The factory has delivered.
    Ready { slot: Slot<A> },
    /// The factory has given up.
    StartFailed { key: Key, generation: Generation, error: SharedError },
    /// The resource has ended by itself.
    Exited { key: Key, generation: Generation, error: SharedError },
    /// The server's scope has begun to halt, whoever wanted that.
    Halting { key: Key, generation: Generation },
    /// The server's scope has been torn down; nothing of it is left.
    Gone { key: Key, generation: Generation, error: Option<SharedError> },
    /// A health check has ended.
    Checked { key: Key, generation: Generation, result: Result<(), SharedError> },
    /// A slot has rung.
    Look { key: Key, generation: Generation },
    /// The server of that key has to go.
    Shutdown { key: Key },
    /// No new leases and starts; everything stops as its leases end.
    Drain,
    /// The same, without waiting for leases.
    Close,
    /// Time has passed: [`next_deadline`](super::Machine::next_deadline) has been reached.
    Tick,
}

/// A wish, to be fulfilled in the order it was made.
#[derive(Debug)]
pub(crate) enum Action<A> {
    /// Answer a call.
    Settle { waiter: WaiterId, outcome: Result<Lease<A>, LeaseError> },
    /// Tell the observers.
    Emit { key: Key, generation: Option<Generation>, kind: EventKind<A> },
    /// What only the driver can do.
    Order(Order),
}

/// What the driver does with one server.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) key: Key,
    pub(crate) generation: Generation,
    pub(crate) deed: Deed,
}

#[derive(Debug)]
pub(crate) enum Deed {
    /// Ask the factory, in a new scope. The answer is `Ready`, `StartFailed` or `Gone`.
    Start { policy: Box<Policy> },
    /// Let the resource drain, then halt the scope. The answer is `Gone`.
    Stop { within: Duration },
    /// Halt the scope now, also if `Stop` was asked before. The answer is `Gone`.
    Halt,
    /// Check the health. The answer is `Checked`.
    Check { within: Duration },
}
