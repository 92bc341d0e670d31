//! The life of a ready server: leased, checked, grown old, evicted.

use tokio::time::Instant;

use super::Machine;
use super::input::{Action, Deed, Order};
use super::server::{Check, Ending, Phase, Ready};
use super::timers::{Alarm, after};
use crate::slot::{Closing, Slot, SlotState};
use crate::{EventKind, EvictCause, Generation, Key, ServerState, SharedError};

impl<A: Clone> Machine<A> {
    pub(super) fn ready(&mut self, now: Instant, slot: Slot<A>) {
        let (key, generation) = (slot.key().clone(), slot.generation());
        let Some(server) = self.server(&key, generation) else { return };
        let Phase::Starting { .. } = server.phase else { return };
        let check = server.policy.check_interval.map_or(Check::Off, |pause| Check::Due(after(now, pause)));
        let address = slot.address().clone();
        server.phase = Phase::Ready(Ready { slot, at: now, ranked: None, check, failed_checks: 0 });
        self.starting -= 1;
        self.emit(&key, generation, EventKind::Ready { address });
        self.lease_all(now, &key);
        self.rank(&key, Some(now));
        self.rearm(now, &key);
        if self.demands.contains_key(&key) {
            // More calls than it may serve: the rest waits for its successor.
            self.evict(now, &key, EvictCause::MaxUses);
        }
        self.admit(now);
    }

    /// A slot has rung: it was used for the last time, or its last lease has ended.
    pub(super) fn look(&mut self, now: Instant, key: &Key, generation: Generation) {
        let Some(server) = self.server(key, generation) else { return };
        match &server.phase {
            Phase::Reserved | Phase::Starting { .. } | Phase::Stopping { .. } => return,
            Phase::Ready(ready) if ready.slot.state() == SlotState::Ready => {
                let idle_since = ready.slot.idle_since().unwrap_or(now);
                self.rank(key, Some(idle_since));
                self.rearm(now, key);
            }
            Phase::Ready(_) => _ = self.evict(now, key, EvictCause::MaxUses),
            Phase::Draining { slot, .. } if slot.leases() > 0 => return,
            Phase::Draining { .. } => self.stop(key),
        }
        self.admit(now);
    }

    /// A server's alarm.
    pub(super) fn server_due(&mut self, now: Instant, key: &Key) {
        let Some(server) = self.servers.get_mut(key) else { return };
        server.armed = None;
        let policy = &server.policy;
        match &mut server.phase {
            Phase::Reserved | Phase::Stopping { .. } => {}
            Phase::Starting { cut_at } if *cut_at <= now => self.start_timed_out(now, key),
            Phase::Draining { until, .. } if *until <= now => {
                self.cut_off(key);
                self.stop(key);
                self.admit(now);
            }
            Phase::Starting { .. } | Phase::Draining { .. } => {}
            Phase::Ready(ready) => {
                if let Check::Due(at) = ready.check
                    && at <= now
                {
                    ready.check = Check::Running;
                    let (generation, within) = (server.generation, policy.check_timeout);
                    self.order(key, generation, Deed::Check { within });
                }
                if let Some(cause) = self.outlived(now, key) {
                    self.evict(now, key, cause);
                    self.admit(now);
                }
            }
        }
        self.rearm(now, key);
    }

    /// Whether a ready server has been alive or idle for too long; an idle one is closed by that.
    fn outlived(&mut self, now: Instant, key: &Key) -> Option<EvictCause> {
        let server = self.servers.get(key)?;
        let Phase::Ready(ready) = &server.phase else { return None };
        if server.aged_at(ready).is_some_and(|at| at <= now) {
            return Some(EvictCause::MaxAge);
        }
        if server.idle_at(ready, now).is_none_or(|at| at > now) {
            return None;
        }
        match ready.slot.close_if_idle() {
            Closing::Closed => Some(EvictCause::Idle),
            // Its last use closed it, and the news is still on its way.
            Closing::NotOpen => Some(EvictCause::MaxUses),
            // The release that makes it idle will ring.
            Closing::Leased => {
                self.rank(key, None);
                None
            }
        }
    }

    pub(super) fn checked(
        &mut self,
        now: Instant,
        key: &Key,
        generation: Generation,
        result: Result<(), SharedError>,
    ) {
        let Some(server) = self.server(key, generation) else { return };
        let unhealthy_after = server.policy.unhealthy_after.max(1);
        let Phase::Ready(ready) = &mut server.phase else { return };
        let next = server.policy.check_interval.map_or(Check::Off, |pause| Check::Due(after(now, pause)));
        ready.check = next;
        match result {
            Ok(()) => ready.failed_checks = 0,
            Err(error) => {
                ready.failed_checks += 1;
                if ready.failed_checks >= unhealthy_after {
                    let lived = now.saturating_duration_since(ready.at);
                    self.emit(key, generation, EventKind::Unhealthy { error: error.clone() });
                    self.evict(now, key, EvictCause::Unhealthy);
                    self.note_death(now, key, generation, lived, error);
                    self.admit(now);
                }
            }
        }
        self.rearm(now, key);
    }

    /// Closes a ready server. It stops when its last lease ends, or when the drain timeout has passed.
    pub(super) fn evict(&mut self, now: Instant, key: &Key, cause: EvictCause) -> ServerState {
        self.rank(key, None);
        let server = self.servers.get_mut(key).expect("only ready servers are evicted");
        let Phase::Ready(ready) = &server.phase else { return server.state() };
        let (slot, lived) = (ready.slot.clone(), now.saturating_duration_since(ready.at));
        let (generation, leases) = (server.generation, slot.close());
        let until = after(now, server.policy.drain_timeout);
        server.phase = Phase::Draining { slot, until };
        self.failures.forgive(key, lived);
        self.emit(key, generation, EventKind::Evicted { cause });
        self.rearm(now, key);
        if leases > 0 {
            return ServerState::Draining;
        }
        self.stop(key);
        ServerState::Stopping
    }

    /// Has a drained server stopped.
    fn stop(&mut self, key: &Key) {
        let Some(server) = self.servers.get(key) else { return };
        let (generation, within) = (server.generation, server.policy.stop_timeout);
        self.begin_stopping(key, Ending::Told);
        self.order(key, generation, Deed::Stop { within });
    }

    /// Moves a server that has been started, in whatever phase, to `Stopping`.
    pub(super) fn begin_stopping(&mut self, key: &Key, ending: Ending) {
        self.rank(key, None);
        let Some(server) = self.servers.get_mut(key) else { return };
        let slot = server.slot().cloned();
        match server.phase {
            Phase::Starting { .. } => self.starting -= 1,
            Phase::Reserved | Phase::Ready(_) | Phase::Draining { .. } => {}
            // It is, and for a reason that still has to be told if it was not.
            Phase::Stopping { .. } => return,
        }
        server.phase = Phase::Stopping { slot, ending };
        self.timers.set(&mut server.armed, None, &Alarm::Server(key.clone()));
        self.lanes.of(&server.lane).stopping += 1;
    }

    /// Ends a slot, and counts who still had a lease.
    pub(super) fn cut_off(&mut self, key: &Key) {
        if let Some(slot) = self.servers.get(key).and_then(|server| server.slot()) {
            self.cut += usize::try_from(slot.end()).unwrap_or(usize::MAX);
        }
    }

    pub(super) fn emit(&mut self, key: &Key, generation: Generation, kind: EventKind<A>) {
        self.actions.push(Action::Emit { key: key.clone(), generation: Some(generation), kind });
    }

    pub(super) fn order(&mut self, key: &Key, generation: Generation, deed: Deed) {
        self.actions.push(Action::Order(Order { key: key.clone(), generation, deed }));
    }
}
