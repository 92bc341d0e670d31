//! What must hold after every step.

use tokio::time::Instant;

use super::super::{Machine, WaiterId};
use super::account::Account;
use super::world::{config, policy};
use crate::{Key, ServerState};

impl Account {
    /// Who has just been given a place had waited longest of those in the same line.
    pub(super) fn check_turns(&mut self, machine: &Machine<u64>, now: Instant) {
        let new = machine.views(now).filter(|view| view.generation.number() > self.last_reserved);
        let new: Vec<_> = new.map(|view| (view.key, view.generation.number())).collect();
        for (key, generation) in new {
            self.last_reserved = self.last_reserved.max(generation);
            let Some(oldest) = self.oldest_call(&key) else { continue };
            for other in self.queued(machine, now) {
                let could_have_gone =
                    policy(&other).quota == policy(&key).quota || has_room(machine, &other, now);
                if could_have_gone {
                    assert!(
                        self.oldest_call(&other).is_some_and(|call| call > oldest),
                        "{key} overtook {other}"
                    );
                }
            }
        }
    }

    pub(super) fn check(&self, machine: &Machine<u64>, now: Instant) {
        for call in self.waiting.values() {
            assert!(call.deadline > now || call.called_at == now, "a call waits beyond its deadline");
        }
        let views: Vec<_> = machine.views(now).collect();
        let in_state = |state| views.iter().filter(|view| view.state == state).count();
        let few = views.iter().filter(|view| policy(&view.key).quota.is_some()).count();
        assert!(views.len() <= config().max_servers, "live and reserved exceed the capacity");
        assert!(few <= 2, "live and reserved exceed the quota");
        assert!(in_state(ServerState::Starting) <= config().max_parallel_starts, "too many starts at once");
        if in_state(ServerState::Reserved) > 0 {
            assert_eq!(in_state(ServerState::Starting), config().max_parallel_starts, "a turn is not taken");
        }
        let alive = self.servers.values().filter(|server| !server.gone).count();
        assert_eq!(alive, views.len() - in_state(ServerState::Reserved), "the accounts differ");
        for key in self.queued(machine, now) {
            let lane_is_full = !has_room(machine, &key, now);
            assert!(
                lane_is_full || views.len() == config().max_servers,
                "{key} waits for a place that is free"
            );
            if in_state(ServerState::Stopping) > 0 || !self.all_rings_heard {
                continue;
            }
            for view in views.iter().filter(|view| view.state == ServerState::Ready) {
                let would_help = !lane_is_full || policy(&view.key).quota.is_some();
                let idle = view.slot.as_ref().is_some_and(|slot| slot.leases() == 0);
                assert!(!(would_help && idle), "{key} waits for a place while {} is idle", view.key);
            }
        }
    }

    /// A start of that key has just failed: nobody waits for it any more.
    pub(super) fn check_told(&self, key: &Key) {
        assert!(self.oldest_call(key).is_none(), "a call does not hear that its start has failed");
    }

    pub(super) fn check_settled(&self) {
        assert!(self.waiting.is_empty(), "calls were never answered");
        for server in self.servers.values() {
            assert_eq!(server.last_event(), "stopped", "{:?}", server.events);
            assert!(server.slot.as_ref().is_none_or(|slot| slot.lease().is_none()), "leased after the end");
        }
    }

    /// Keys that calls wait for and that have no server of any kind.
    pub(super) fn queued(&self, machine: &Machine<u64>, now: Instant) -> Vec<Key> {
        let mut keys: Vec<_> = self.waiting.values().map(|call| call.key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| machine.view(key, now).is_none());
        keys
    }

    pub(super) fn oldest_call(&self, key: &Key) -> Option<WaiterId> {
        self.waiting.iter().find(|(_, call)| call.key == *key).map(|(waiter, _)| *waiter)
    }
}

/// Whether the quota of a key, if it has one, is not full.
fn has_room(machine: &Machine<u64>, key: &Key, now: Instant) -> bool {
    policy(key).quota.is_none_or(|quota| {
        let sharing = machine.views(now).filter(|view| policy(&view.key).quota.as_ref() == Some(&quota));
        sharing.count() < quota.max
    })
}
