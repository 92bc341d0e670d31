//! The pool's state, without I/O: facts go in, wishes come out.
//!
//! ```text
//!            a place                a turn               the factory
//! (waiting) ────────▶ Reserved ────────▶ Starting ────────────▶ Ready
//!     ▲                  │ no caller left     │ failed, too late,   │ evicted: closed     │ exited
//!     │                  ▼                    │ told to go          ▼                     │
//!     │               (gone)                  │               Draining ── last lease ─┐   │
//!     │                                       ▼                                       ▼   ▼
//!     └───────────── a call for the key ◀── (gone) ◀──── the scope is torn down ──── Stopping
//! ```
//! Each key has at most one server at a time, of any phase, and each server counts against the pool and its quota from
//! Reserved until it is gone. What a slot's gate decides (may this call come in, is anybody inside) the machine asks
//! the gate, which is memory, not I/O; everything else it knows itself.

mod calls;
mod ending;
mod failures;
mod input;
mod lane;
mod life;
#[cfg(test)]
mod model;
mod places;
mod server;
mod timers;
mod view;

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use self::calls::{Demand, Waiter};
pub(crate) use self::failures::Chance;
use self::failures::Failures;
pub(crate) use self::input::{Action, Deed, Input, Order, WaiterId};
use self::lane::Lanes;
use self::server::{Phase, Server};
use self::timers::{Alarm, Timers};
pub(crate) use self::view::View;
use crate::slot::Slot;
use crate::{Generation, Key, PoolConfig};

/// The state of a pool.
#[derive(Debug)]
pub(crate) struct Machine<A> {
    config: PoolConfig,
    mode: Mode,
    /// Everything that has a place, by its key: single flight is that this is a map.
    servers: HashMap<Key, Server<A>>,
    /// Keys that calls wait for, with or without a server on its way.
    demands: HashMap<Key, Demand>,
    waiters: HashMap<WaiterId, Waiter>,
    /// How many of the waiters wait for a place.
    queued_calls: usize,
    lanes: Lanes,
    /// Whether the observers know that the pool is full.
    told_full: bool,
    /// Reserved servers, in the order in which they will start.
    turns: BTreeMap<Generation, Key>,
    /// How many servers are in the phase `Starting`.
    starting: usize,
    timers: Timers,
    failures: Failures,
    last_generation: u64,
    /// Leases that were out when their server was ended nevertheless.
    cut: usize,
    actions: Vec<Action<A>>,
}

/// Whether the pool takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// It does not, and servers go as their leases end.
    Draining,
    /// It does not, and servers go.
    Closed,
}

impl<A: Clone> Machine<A> {
    pub(crate) fn new(config: PoolConfig, chance: Chance) -> Self {
        let failures = Failures::new(&config, chance);
        Self {
            config,
            mode: Mode::Open,
            servers: HashMap::new(),
            demands: HashMap::new(),
            waiters: HashMap::new(),
            queued_calls: 0,
            lanes: Lanes::default(),
            told_full: false,
            turns: BTreeMap::new(),
            starting: 0,
            timers: Timers::default(),
            failures,
            last_generation: 0,
            cut: 0,
            actions: Vec::new(),
        }
    }

    /// Takes in a fact that became known at `now`, and returns what is to be done about it, in order.
    pub(crate) fn on(&mut self, now: Instant, input: Input<A>) -> Vec<Action<A>> {
        match input {
            Input::Acquire { waiter, key, deadline, policy } => {
                self.acquire(now, waiter, &key, deadline, policy);
            }
            Input::Cancel { waiter } => self.cancel(now, waiter),
            Input::Ready { slot } => self.ready(now, slot),
            Input::StartFailed { key, generation, error } => self.start_failed(now, &key, generation, error),
            Input::Exited { key, generation, error } => self.exited(now, &key, generation, &error),
            Input::Halting { key, generation } => self.halting(now, &key, generation),
            Input::Gone { key, generation, error } => self.gone(now, &key, generation, error),
            Input::Checked { key, generation, result } => self.checked(now, &key, generation, result),
            Input::Look { key, generation } => self.look(now, &key, generation),
            Input::Shutdown { key } => self.shutdown(now, &key),
            Input::Drain => self.drain(now),
            Input::Close => self.close(now),
            Input::Tick => self.tick(now),
        }
        std::mem::take(&mut self.actions)
    }

    /// When a [`Input::Tick`] is wanted.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The slot of a ready server.
    pub(crate) fn slot(&self, key: &Key) -> Option<&Slot<A>> {
        match &self.servers.get(key)?.phase {
            Phase::Ready(ready) => Some(&ready.slot),
            Phase::Reserved | Phase::Starting { .. } | Phase::Draining { .. } | Phase::Stopping { .. } => {
                None
            }
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether no server has a place.
    pub(crate) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Leases that were out when their server was ended nevertheless.
    pub(crate) fn cut(&self) -> usize {
        self.cut
    }

    fn tick(&mut self, now: Instant) {
        while let Some(alarm) = self.timers.pop_due(now) {
            match alarm {
                Alarm::Waiter(waiter) => self.waited(now, waiter),
                Alarm::Server(key) => self.server_due(now, &key),
            }
        }
    }

    /// The server a late fact may or may not be about.
    fn server(&mut self, key: &Key, generation: Generation) -> Option<&mut Server<A>> {
        self.servers.get_mut(key).filter(|server| server.generation == generation)
    }

    /// Sets a server's alarm by what it waits for now.
    fn rearm(&mut self, now: Instant, key: &Key) {
        if let Some(server) = self.servers.get_mut(key) {
            let due = server.due(now);
            self.timers.set(&mut server.armed, due, &Alarm::Server(key.clone()));
        }
    }
}
