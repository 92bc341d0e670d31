//! How servers end that nobody evicts: failed starts, deaths, and the end of the pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failures::Failed;
use super::input::Deed;
use super::server::{Ending, Phase};
use super::timers::after;
use super::{Machine, Mode};
use crate::{
    EventKind, EvictCause, Generation, HaltedElsewhere, Key, LeaseError, NotReadyInTime, SharedError,
    StartFailure,
};

impl<A: Clone> Machine<A> {
    pub(super) fn start_failed(
        &mut self,
        now: Instant,
        key: &Key,
        generation: Generation,
        error: SharedError,
    ) {
        let Some(server) = self.server(key, generation) else { return };
        let Phase::Starting { cut_at } = server.phase else { return };
        // A factory that keeps its deadline says what it was waiting for within the grace; the reason is still the time.
        let is_late = after(now, server.policy.start_grace) >= cut_at;
        let answer = if is_late { LeaseError::StartTimedOut } else { LeaseError::StartFailed };
        self.give_up(now, key, generation, error, answer);
    }

    pub(super) fn start_timed_out(&mut self, now: Instant, key: &Key) {
        let Some(server) = self.servers.get(key) else { return };
        let generation = server.generation;
        let error: SharedError = Arc::new(NotReadyInTime(server.policy.start_timeout));
        self.give_up(now, key, generation, error, LeaseError::StartTimedOut);
    }

    /// Ends a start, and answers those who waited for it.
    fn give_up(
        &mut self,
        now: Instant,
        key: &Key,
        generation: Generation,
        error: SharedError,
        answer: fn(Arc<StartFailure>) -> LeaseError,
    ) {
        self.begin_stopping(key, Ending::Told);
        self.fail_start(now, key, generation, error, answer);
        self.order(key, generation, Deed::Halt);
        self.admit(now);
    }

    fn fail_start(
        &mut self,
        now: Instant,
        key: &Key,
        generation: Generation,
        error: SharedError,
        answer: fn(Arc<StartFailure>) -> LeaseError,
    ) {
        let failure = Arc::new(StartFailure { key: key.clone(), generation, error: error.clone() });
        self.emit(key, generation, EventKind::Failed { error });
        self.failures.note(now, Failed::Starting, Arc::clone(&failure));
        self.refuse_all(now, key, &answer(failure));
    }

    /// The resource has ended by itself. Whoever holds a lease is told through the slot.
    pub(super) fn exited(&mut self, now: Instant, key: &Key, generation: Generation, error: &SharedError) {
        let Some(server) = self.server(key, generation) else { return };
        match &server.phase {
            // On its way out or not yet in: the scope's end tells the rest.
            Phase::Reserved | Phase::Starting { .. } | Phase::Stopping { .. } => return,
            Phase::Draining { slot, .. } => {
                slot.end();
            }
            Phase::Ready(ready) => {
                ready.slot.end();
                let lived = now.saturating_duration_since(ready.at);
                self.emit(key, generation, EventKind::Failed { error: error.clone() });
                self.note_death(now, key, generation, lived, error.clone());
            }
        }
        self.begin_stopping(key, Ending::Told);
        self.order(key, generation, Deed::Halt);
        self.admit(now);
    }

    /// The scope collapses; what of will be known when it is gone.
    pub(super) fn halting(&mut self, now: Instant, key: &Key, generation: Generation) {
        let Some(server) = self.server(key, generation) else { return };
        let ending = match &server.phase {
            Phase::Reserved | Phase::Stopping { .. } => return,
            Phase::Starting { .. } => Ending::Untold { ready_at: None },
            Phase::Ready(ready) => {
                ready.slot.end();
                Ending::Untold { ready_at: Some(ready.at) }
            }
            Phase::Draining { slot, .. } => {
                slot.end();
                Ending::Told
            }
        };
        self.begin_stopping(key, ending);
        self.admit(now);
    }

    /// Nothing of the server is left: its place is free, and calls for its key may have a successor.
    pub(super) fn gone(
        &mut self,
        now: Instant,
        key: &Key,
        generation: Generation,
        error: Option<SharedError>,
    ) {
        self.halting(now, key, generation);
        let Some(server) = self.server(key, generation) else { return };
        let Phase::Stopping { ending, .. } = &server.phase else { return };
        match *ending {
            Ending::Told => {}
            Ending::Untold { ready_at } => {
                let error = error.unwrap_or_else(|| Arc::new(HaltedElsewhere));
                match ready_at {
                    None => self.fail_start(now, key, generation, error, LeaseError::StartFailed),
                    Some(at) => {
                        self.emit(key, generation, EventKind::Failed { error: error.clone() });
                        self.note_death(now, key, generation, now.saturating_duration_since(at), error);
                    }
                }
            }
        }
        self.emit(key, generation, EventKind::Stopped);
        if let Some(server) = self.servers.remove(key) {
            let lane = self.lanes.of(&server.lane);
            lane.live -= 1;
            lane.stopping -= 1;
            self.tidy(&server.lane);
        }
        match self.failures.refusal(key, now) {
            Some(refusal) => self.refuse_all(now, key, &refusal),
            None => self.enqueue(key),
        }
        self.admit(now);
    }

    pub(super) fn shutdown(&mut self, now: Instant, key: &Key) {
        self.dismiss(now, key, EvictCause::Requested);
        self.admit(now);
    }

    pub(super) fn drain(&mut self, now: Instant) {
        if self.mode != Mode::Open {
            return;
        }
        self.mode = Mode::Draining;
        self.refuse_everyone(now);
        for key in self.servers.keys().cloned().collect::<Vec<_>>() {
            self.dismiss(now, &key, EvictCause::Drained);
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.drain(now);
        if std::mem::replace(&mut self.mode, Mode::Closed) == Mode::Closed {
            return;
        }
        for key in self.servers.keys().cloned().collect::<Vec<_>>() {
            self.cut_off(&key);
            self.begin_stopping(&key, Ending::Told);
            let Some(server) = self.servers.get(&key) else { continue };
            self.order(&key, server.generation, Deed::Halt);
        }
    }

    /// Has a server go that works or will.
    fn dismiss(&mut self, now: Instant, key: &Key, cause: EvictCause) {
        let Some(server) = self.servers.get(key) else { return };
        let generation = server.generation;
        match server.phase {
            Phase::Reserved | Phase::Draining { .. } | Phase::Stopping { .. } => {}
            Phase::Starting { .. } => {
                self.begin_stopping(key, Ending::Told);
                self.emit(key, generation, EventKind::Evicted { cause });
                self.order(key, generation, Deed::Halt);
            }
            Phase::Ready(_) => _ = self.evict(now, key, cause),
        }
    }

    /// Answers all calls. Whoever has been given a place without having been started loses it with its last call.
    fn refuse_everyone(&mut self, now: Instant) {
        for key in self.demands.keys().cloned().collect::<Vec<_>>() {
            self.refuse_all(now, &key, &LeaseError::Closed);
        }
    }

    pub(super) fn note_death(
        &mut self,
        now: Instant,
        key: &Key,
        generation: Generation,
        lived: Duration,
        error: SharedError,
    ) {
        let failure = StartFailure { key: key.clone(), generation, error };
        self.failures.note(now, Failed::ReadyFor(lived), Arc::new(failure));
    }
}
