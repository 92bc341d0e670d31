//! The machine as its observers see it.

use tokio::time::Instant;

use super::Machine;
use super::server::{Phase, Server};
use crate::slot::Slot;
use crate::{Generation, Key, Policy, ServerState, WhyAlive};

/// One server, without what only the driver knows.
#[derive(Debug)]
pub(crate) struct View<A> {
    pub(crate) key: Key,
    pub(crate) generation: Generation,
    pub(crate) state: ServerState,
    pub(crate) slot: Option<Slot<A>>,
    pub(crate) why_alive: WhyAlive,
}

impl<A: Clone> Machine<A> {
    /// All servers, in no particular order.
    pub(crate) fn views(&self, now: Instant) -> impl Iterator<Item = View<A>> {
        self.servers.iter().map(move |(key, server)| self.view_of(key, server, now))
    }

    /// The server of one key.
    pub(crate) fn view(&self, key: &Key, now: Instant) -> Option<View<A>> {
        self.servers.get(key).map(|server| self.view_of(key, server, now))
    }

    fn view_of(&self, key: &Key, server: &Server<A>, now: Instant) -> View<A> {
        let why_alive = match &server.phase {
            Phase::Reserved | Phase::Starting { .. } => {
                let waiters = self.demands.get(key).map_or(0, |demand| demand.waiters.len());
                WhyAlive::StartingFor { waiters }
            }
            Phase::Ready(ready) => why_ready(&ready.slot, &server.policy, now),
            Phase::Draining { slot, until } => {
                WhyAlive::Draining { leases: slot.leases(), remaining: until.saturating_duration_since(now) }
            }
            Phase::Stopping { .. } => WhyAlive::Stopping,
        };
        View {
            key: key.clone(),
            generation: server.generation,
            state: server.state(),
            slot: server.slot().cloned(),
            why_alive,
        }
    }
}

fn why_ready<A>(slot: &Slot<A>, policy: &Policy, now: Instant) -> WhyAlive {
    match (slot.idle_since(), policy.idle_timeout) {
        (None, _) => WhyAlive::Leased { leases: slot.leases() },
        (Some(_), None) => WhyAlive::Pinned,
        (Some(since), Some(timeout)) => {
            WhyAlive::IdleFor { remaining: timeout.saturating_sub(now.saturating_duration_since(since)) }
        }
    }
}
