//! One server in the machine: its phase, and when it wants to be looked at.

use tokio::time::Instant;

use super::lane::LaneName;
use super::timers::after;
use crate::slot::Slot;
use crate::{Generation, Policy, ServerState};

/// A server that has a place.
#[derive(Debug)]
pub(super) struct Server<A> {
    pub(super) generation: Generation,
    pub(super) policy: Box<Policy>,
    pub(super) lane: LaneName,
    pub(super) phase: Phase<A>,
    /// For when its alarm is set.
    pub(super) armed: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Phase<A> {
    /// Waits for its turn among the parallel starts.
    Reserved,
    Starting {
        cut_at: Instant,
    },
    Ready(Ready<A>),
    /// Its slot is closed and leases are out.
    Draining {
        slot: Slot<A>,
        until: Instant,
    },
    /// The driver has been asked to end it.
    Stopping {
        slot: Option<Slot<A>>,
        ending: Ending,
    },
}

#[derive(Debug)]
pub(super) struct Ready<A> {
    pub(super) slot: Slot<A>,
    pub(super) at: Instant,
    /// Its time in the lane's order of idle servers. `None` while it was last seen leased: then its slot rings.
    pub(super) ranked: Option<Instant>,
    pub(super) check: Check,
    /// Failed checks in a row.
    pub(super) failed_checks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The policy wants none.
    Off,
    Due(Instant),
    Running,
}

/// Whether the observers know why a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Told,
    /// Its scope collapsed; what happened is known when it is gone. Since when it had been ready, if it was.
    Untold {
        ready_at: Option<Instant>,
    },
}

impl<A> Server<A> {
    pub(super) fn state(&self) -> ServerState {
        match self.phase {
            Phase::Reserved => ServerState::Reserved,
            Phase::Starting { .. } => ServerState::Starting,
            Phase::Ready(_) => ServerState::Ready,
            Phase::Draining { .. } => ServerState::Draining,
            Phase::Stopping { .. } => ServerState::Stopping,
        }
    }

    pub(super) fn slot(&self) -> Option<&Slot<A>> {
        match &self.phase {
            Phase::Reserved | Phase::Starting { .. } => None,
            Phase::Ready(ready) => Some(&ready.slot),
            Phase::Draining { slot, .. } => Some(slot),
            Phase::Stopping { slot, .. } => slot.as_ref(),
        }
    }

    /// Whether a call can still get a lease from this generation.
    pub(super) fn is_arriving_or_ready(&self) -> bool {
        match self.phase {
            Phase::Reserved | Phase::Starting { .. } | Phase::Ready(_) => true,
            Phase::Draining { .. } | Phase::Stopping { .. } => false,
        }
    }

    /// When it wants to be looked at next.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Reserved | Phase::Stopping { .. } => None,
            Phase::Starting { cut_at } => Some(*cut_at),
            Phase::Draining { until, .. } => Some(*until),
            Phase::Ready(ready) => {
                let checked = match ready.check {
                    Check::Off | Check::Running => None,
                    Check::Due(at) => Some(at),
                };
                [checked, self.aged_at(ready), self.idle_at(ready, now)].into_iter().flatten().min()
            }
        }
    }

    pub(super) fn aged_at(&self, ready: &Ready<A>) -> Option<Instant> {
        self.policy.max_age.map(|age| after(ready.at, age))
    }

    /// When it will have been idle for too long, as far as is known: leases that come and go without a ring only make
    /// it later, which is seen when the alarm goes off. `None` while its slot is going to ring.
    pub(super) fn idle_at(&self, ready: &Ready<A>, now: Instant) -> Option<Instant> {
        let timeout = self.policy.idle_timeout?;
        ready.ranked?;
        Some(after(ready.slot.idle_since().unwrap_or(now), timeout))
    }
}
