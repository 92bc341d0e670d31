//! The model's own account of what the machine did, and what it is held against.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::super::{Action, Deed, Machine, Order, WaiterId};
use super::world::{config, policy};
use crate::{EventKind, EvictCause, Generation, Key, Lease, LeaseError, ServerState, Slot, SlotState};

#[derive(Default)]
pub(super) struct Account {
    servers: BTreeMap<Generation, Server>,
    waiting: BTreeMap<WaiterId, Call>,
    held: Vec<Lease<u64>>,
    told: Option<Told>,
    /// Generations whose place in the line has been looked at.
    last_reserved: u64,
    /// Whether no slot has rung without the machine having looked.
    pub(super) all_rings_heard: bool,
}

/// How the pool was told to end.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Told {
    Drain,
    Close,
}

struct Call {
    key: Key,
    called_at: Instant,
    deadline: Instant,
}

struct Server {
    key: Key,
    /// Kinds of events so far.
    events: Vec<&'static str>,
    slot: Option<Slot<u64>>,
    evicted_at: Option<Instant>,
    /// Its resource exited or its scope began to halt.
    fell: bool,
    ordered_to_end: bool,
    collapsed: bool,
    checking: bool,
    gone: bool,
}

impl Account {
    // === What the world does ===

    pub(super) fn called(&mut self, waiter: WaiterId, key: &Key, deadline: Instant) {
        self.waiting.insert(waiter, Call { key: key.clone(), called_at: Instant::now(), deadline });
    }

    pub(super) fn hung_up(&mut self, waiter: WaiterId) {
        self.waiting.remove(&waiter);
    }

    pub(super) fn delivered(&mut self, generation: Generation, slot: Slot<u64>) {
        self.of(generation).slot = Some(slot);
    }

    pub(super) fn fell(&mut self, generation: Generation) {
        self.of(generation).fell = true;
    }

    pub(super) fn collapsed(&mut self, generation: Generation) {
        self.of(generation).fell = true;
        self.of(generation).collapsed = true;
    }

    pub(super) fn scope_ended(&mut self, generation: Generation) {
        self.of(generation).gone = true;
    }

    pub(super) fn checked(&mut self, generation: Generation) {
        self.of(generation).checking = false;
    }

    pub(super) fn closing(&mut self, told: Told) {
        if self.told.is_none_or(|before| before < told) {
            self.told = Some(told);
        }
    }

    pub(super) fn lease_from_slot(&mut self, nth: u8) {
        let slots: Vec<_> = self.servers.values().filter_map(|server| server.slot.as_ref()).collect();
        if !slots.is_empty() {
            let lease = slots[usize::from(nth) % slots.len()].lease();
            self.held.extend(lease);
        }
    }

    pub(super) fn release(&mut self, nth: u8) {
        if !self.held.is_empty() {
            drop(self.held.swap_remove(usize::from(nth) % self.held.len()));
        }
    }

    // === What there is to pick from ===

    pub(super) fn waiting(&self) -> Vec<WaiterId> {
        self.waiting.keys().copied().collect()
    }

    pub(super) fn starting(&self) -> Vec<(Key, Generation)> {
        self.those(|server| server.alive() && server.slot.is_none())
    }

    pub(super) fn serving(&self) -> Vec<(Key, Generation)> {
        self.those(|server| server.alive() && server.slot.is_some())
    }

    pub(super) fn alive(&self) -> Vec<(Key, Generation)> {
        self.those(Server::alive)
    }

    pub(super) fn ending(&self) -> Vec<(Key, Generation)> {
        self.those(|server| !server.gone && (server.ordered_to_end || server.collapsed))
    }

    pub(super) fn checking(&self) -> Vec<(Key, Generation)> {
        self.those(|server| !server.gone && server.checking)
    }

    pub(super) fn gone(&self) -> Vec<(Key, Generation)> {
        self.those(|server| server.gone)
    }

    fn those(&self, which: impl Fn(&Server) -> bool) -> Vec<(Key, Generation)> {
        let those = self.servers.iter().filter(|(_, server)| which(server));
        those.map(|(generation, server)| (server.key.clone(), *generation)).collect()
    }

    fn of(&mut self, generation: Generation) -> &mut Server {
        self.servers.get_mut(&generation).expect("a server the machine has started")
    }

    fn leases_of(&self, generation: Generation) -> usize {
        self.held.iter().filter(|lease| lease.generation() == generation).count()
    }

    // === What the machine does ===

    pub(super) fn acted(&mut self, now: Instant, action: Action<u64>) {
        match action {
            Action::Settle { waiter, outcome } => self.settled(now, waiter, outcome),
            Action::Emit { key, generation: Some(generation), kind } => {
                self.told(now, &key, generation, &kind);
            }
            Action::Emit { kind, .. } => assert_eq!(kind.as_str(), "limit_reached"),
            Action::Order(Order { key, generation, deed }) => self.ordered(now, &key, generation, &deed),
        }
    }

    fn settled(&mut self, now: Instant, waiter: WaiterId, outcome: Result<Lease<u64>, LeaseError>) {
        let call = self.waiting.remove(&waiter).expect("a call is answered once, and only while it waits");
        assert!(now <= call.deadline, "answered after the deadline");
        match outcome {
            Ok(lease) => {
                assert_eq!(*lease.key(), call.key);
                let server = self.of(lease.generation());
                assert!(server.alive() && server.last_event() == "ready", "a lease of what is not ready");
                self.held.push(lease);
            }
            Err(LeaseError::DeadlinePassed) => assert_eq!(now, call.deadline),
            Err(LeaseError::Closed) => assert!(self.told.is_some()),
            Err(LeaseError::QuotaExhausted { .. }) => assert!(policy(&call.key).quota.is_some()),
            Err(LeaseError::Exhausted { .. } | LeaseError::BackingOff { .. }) => {}
            Err(LeaseError::StartFailed(failure) | LeaseError::StartTimedOut(failure)) => {
                assert_eq!(failure.key, call.key);
                assert!(self.of(failure.generation).events.contains(&"failed"));
            }
        }
    }

    fn told(&mut self, now: Instant, key: &Key, generation: Generation, kind: &EventKind<u64>) {
        let kind_name = kind.as_str();
        if let EventKind::Started = kind {
            let server = Server::new(key.clone());
            assert!(self.servers.insert(generation, server).is_none(), "a generation starts once");
        }
        let leases = self.leases_of(generation);
        if let EventKind::Evicted { cause } = kind {
            self.check_eviction(now, generation, *cause, leases);
        }
        let server = self.of(generation);
        let allowed: &[&str] = match server.last_event() {
            "" => &["started"],
            "started" => &["ready", "evicted", "failed"],
            "ready" => &["unhealthy", "evicted", "failed"],
            "unhealthy" => &["evicted"],
            "evicted" | "failed" => &["stopped"],
            _ => &[],
        };
        assert!(allowed.contains(&kind_name), "{kind_name} after {:?}", server.events);
        assert!(kind_name != "stopped" || server.gone, "stopped before its scope has ended");
        if kind_name == "evicted" {
            server.evicted_at = Some(now);
        }
        server.events.push(kind_name);
    }

    fn check_eviction(&self, now: Instant, generation: Generation, cause: EvictCause, leases: usize) {
        let server = &self.servers[&generation];
        match cause {
            EvictCause::Idle | EvictCause::Capacity | EvictCause::Quota => {
                assert_eq!(leases, 0, "evicted as {cause} while leased");
                assert!(self.told.is_none() || cause == EvictCause::Idle, "evicted for nobody");
            }
            EvictCause::MaxAge | EvictCause::MaxUses | EvictCause::Unhealthy => {}
            EvictCause::Requested => {}
            EvictCause::Drained => assert!(self.told.is_some()),
        }
        match cause {
            EvictCause::Idle => {
                let timeout =
                    policy(&server.key).idle_timeout.expect("a pinned server is not evicted as idle");
                assert!(
                    server.idle_since().is_some_and(|since| now >= since + timeout),
                    "not idle for long enough"
                );
            }
            EvictCause::Capacity => assert!(self.is_stalest(server, |_| true), "not the stalest"),
            EvictCause::Quota => {
                let quota = policy(&server.key).quota;
                assert!(
                    self.is_stalest(server, |key| policy(key).quota == quota),
                    "not the stalest of its quota"
                );
            }
            EvictCause::MaxAge
            | EvictCause::MaxUses
            | EvictCause::Unhealthy
            | EvictCause::Requested
            | EvictCause::Drained => {}
        }
    }

    /// Whether no other idle server has been so for longer. One whose ring is unheard is not known to be idle.
    fn is_stalest(&self, server: &Server, among: impl Fn(&Key) -> bool) -> bool {
        let rivals = self.servers.values().filter(|rival| rival.alive() && rival.last_event() == "ready");
        let mut rivals = rivals.filter(|rival| among(&rival.key) && rival.is_open());
        let fresher =
            |rival: &Server| rival.idle_since().is_none_or(|since| Some(since) >= server.idle_since());
        !self.all_rings_heard || rivals.all(fresher)
    }

    fn ordered(&mut self, now: Instant, key: &Key, generation: Generation, deed: &Deed) {
        let (leases, closed) = (self.leases_of(generation), self.told == Some(Told::Close));
        match deed {
            Deed::Start { .. } => {
                assert!(self.told.is_none(), "started after the pool was closed");
                let alive = self.servers.values().filter(|server| !server.gone);
                assert_eq!(
                    alive.clone().filter(|server| server.key == *key).count(),
                    1,
                    "two servers of one key"
                );
                assert!(alive.count() <= config().max_servers, "more servers than allowed");
            }
            Deed::Stop { .. } => {
                let server = self.of(generation);
                let evicted_at = server.evicted_at.expect("only what was evicted stops");
                let overdue = now >= evicted_at + policy(key).drain_timeout;
                assert!(leases == 0 || overdue, "stopped while leased");
                assert!(!server.ordered_to_end, "told to stop twice");
                server.ordered_to_end = true;
            }
            Deed::Halt => {
                let server = self.of(generation);
                assert!(leases == 0 || server.fell || closed, "halted while leased");
                server.ordered_to_end = true;
            }
            Deed::Check { .. } => {
                let server = self.of(generation);
                assert!(
                    !server.checking && server.last_event() == "ready",
                    "checked twice at once, or not ready"
                );
                server.checking = true;
            }
        }
    }

    // === What must hold after every step ===

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
    fn queued(&self, machine: &Machine<u64>, now: Instant) -> Vec<Key> {
        let mut keys: Vec<_> = self.waiting.values().map(|call| call.key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| machine.view(key, now).is_none());
        keys
    }

    fn oldest_call(&self, key: &Key) -> Option<WaiterId> {
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

impl Server {
    fn new(key: Key) -> Self {
        Self {
            key,
            events: Vec::new(),
            slot: None,
            evicted_at: None,
            fell: false,
            ordered_to_end: false,
            collapsed: false,
            checking: false,
            gone: false,
        }
    }

    /// Whether it can still have news of its own.
    fn alive(&self) -> bool {
        !self.gone && !self.ordered_to_end && !self.collapsed
    }

    fn is_open(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.state() == SlotState::Ready)
    }

    fn idle_since(&self) -> Option<Instant> {
        self.slot.as_ref()?.idle_since()
    }

    fn last_event(&self) -> &'static str {
        self.events.last().copied().unwrap_or("")
    }
}
