//! The model's own account of what the machine did, and what it is held against.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::super::{Action, Deed, Order, WaiterId};
use super::world::{config, policy};
use crate::{EventKind, EvictCause, Generation, Key, Lease, LeaseError, Slot, SlotState};

#[derive(Default)]
pub(super) struct Account {
    pub(super) servers: BTreeMap<Generation, Server>,
    pub(super) waiting: BTreeMap<WaiterId, Call>,
    held: Vec<Lease<u64>>,
    told: Option<Told>,
    /// Generations whose place in the line has been looked at.
    pub(super) last_reserved: u64,
    /// Whether no slot has rung without the machine having looked.
    pub(super) all_rings_heard: bool,
}

/// How the pool was told to end.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Told {
    Drain,
    Close,
}

pub(super) struct Call {
    pub(super) key: Key,
    pub(super) called_at: Instant,
    pub(super) deadline: Instant,
}

pub(super) struct Server {
    pub(super) key: Key,
    /// Kinds of events so far.
    pub(super) events: Vec<&'static str>,
    pub(super) slot: Option<Slot<u64>>,
    evicted_at: Option<Instant>,
    /// Its resource exited or its scope began to halt.
    fell: bool,
    ordered_to_end: bool,
    collapsed: bool,
    checking: bool,
    pub(super) gone: bool,
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

    pub(super) fn last_event(&self) -> &'static str {
        self.events.last().copied().unwrap_or("")
    }
}
