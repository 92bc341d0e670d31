//! Calls that wait: arriving, giving up, running out of time, being answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::input::{Action, WaiterId};
use super::lane::{LaneName, Lanes};
use super::server::Phase;
use super::timers::{Alarm, after};
use super::{Machine, Mode};
use crate::{EvictCause, Key, Lease, LeaseError, Policy};

/// A call that is waiting.
#[derive(Debug)]
pub(super) struct Waiter {
    key: Key,
    /// Its caller's.
    deadline: Instant,
    /// When it stops waiting for a place.
    patience: Instant,
    armed: Option<Instant>,
}

/// What the calls for one key wait for together. Exists while there is one.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) waiters: BTreeSet<WaiterId>,
    /// The latest caller's who came before it stood in line.
    pub(super) policy: Box<Policy>,
    /// Where it stands in line for a place, if that is what it waits for.
    pub(super) queued: Option<Queued>,
}

/// A place in the line of a lane.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    pub(super) lane: LaneName,
    /// Its oldest call, by which the line is ordered.
    pub(super) oldest: WaiterId,
}

impl<A: Clone> Machine<A> {
    pub(super) fn acquire(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        key: &Key,
        deadline: Instant,
        policy: Box<Policy>,
    ) {
        if self.mode != Mode::Open {
            return self.settle(waiter, Err(LeaseError::Closed));
        }
        if let Some(slot) = self.slot(key) {
            match slot.lease() {
                Some(lease) => return self.settle(waiter, Ok(lease)),
                // The last allowed use closed it, and the news is still on its way.
                None => _ = self.evict(now, key, EvictCause::MaxUses),
            }
        }
        if let Some(refusal) = self.refusal(now, key, deadline, &policy) {
            return self.settle(waiter, Err(refusal));
        }
        self.wait(now, waiter, key.clone(), deadline, policy);
        if !self.servers.contains_key(key) {
            self.enqueue(key);
            self.admit(now);
        }
    }

    /// Why a call may not even wait.
    fn refusal(&self, now: Instant, key: &Key, deadline: Instant, policy: &Policy) -> Option<LeaseError> {
        if deadline <= now {
            return Some(LeaseError::DeadlinePassed);
        }
        let server = self.servers.get(key);
        if !server.is_some_and(super::Server::is_arriving_or_ready)
            && let Some(refusal) = self.failures.refusal(key, now)
        {
            return Some(refusal);
        }
        let beside = self.demands.get(key).map_or(0, |demand| demand.waiters.len());
        let too_many_beside = beside >= self.config.max_waiting_per_server;
        let needs_to_queue = server.is_none() && !self.has_room(policy);
        let queue_is_full = needs_to_queue && self.queued_calls >= self.config.max_waiting;
        (too_many_beside || queue_is_full).then(|| self.exhausted(&Lanes::name_of(policy)))
    }

    fn wait(&mut self, now: Instant, id: WaiterId, key: Key, deadline: Instant, policy: Box<Policy>) {
        let patience = after(now, self.config.wait_timeout);
        let mut waiter = Waiter { key: key.clone(), deadline, patience, armed: None };
        self.timers.set(&mut waiter.armed, Some(deadline.min(patience)), &Alarm::Waiter(id));
        self.waiters.insert(id, waiter);
        match self.demands.get_mut(&key) {
            Some(demand) => {
                demand.waiters.insert(id);
                match demand.queued {
                    // It stands in the line of the policy it came with.
                    Some(_) => self.queued_calls += 1,
                    None => demand.policy = policy,
                }
            }
            None => {
                self.demands.insert(key, Demand { waiters: BTreeSet::from([id]), policy, queued: None });
            }
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, waiter: WaiterId) {
        self.leave(now, waiter);
    }

    /// A waiter's alarm: it has run out of patience or time.
    pub(super) fn waited(&mut self, now: Instant, id: WaiterId) {
        let Some(waiter) = self.waiters.get_mut(&id) else { return };
        waiter.armed = None;
        let in_line = self.demands.get(&waiter.key).and_then(|demand| demand.queued.clone());
        let error = match in_line {
            Some(queued) => self.exhausted(&queued.lane),
            None if waiter.deadline <= now => LeaseError::DeadlinePassed,
            None => {
                // It had patience enough to get as far as a start.
                let deadline = waiter.deadline;
                return self.timers.set(&mut waiter.armed, Some(deadline), &Alarm::Waiter(id));
            }
        };
        self.leave(now, id);
        self.settle(id, Err(error));
    }

    /// Answers all calls for a key with the same error.
    pub(super) fn refuse_all(&mut self, now: Instant, key: &Key, error: &LeaseError) {
        let waiters = self.demands.get(key).map(|demand| demand.waiters.clone()).unwrap_or_default();
        for waiter in waiters {
            self.leave(now, waiter);
            self.settle(waiter, Err(error.clone()));
        }
    }

    /// Answers the calls for a key that has become ready, oldest first, as far as its uses go.
    pub(super) fn lease_all(&mut self, now: Instant, key: &Key) {
        while let Some(waiter) = self.demands.get(key).and_then(|demand| demand.waiters.first().copied()) {
            let Some(lease) = self.slot(key).and_then(crate::Slot::lease) else { return };
            self.leave(now, waiter);
            self.settle(waiter, Ok(lease));
        }
    }

    /// Puts a key in line for a place, behind those with an older call, unless it stands there already.
    pub(super) fn enqueue(&mut self, key: &Key) {
        let Some(demand) = self.demands.get_mut(key).filter(|demand| demand.queued.is_none()) else { return };
        let Some(&oldest) = demand.waiters.first() else { return };
        let lane = Lanes::name_of(&demand.policy);
        self.lanes.enter(&demand.policy).queue.insert(oldest, key.clone());
        demand.queued = Some(Queued { lane, oldest });
        self.queued_calls += demand.waiters.len();
        // Calls that waited for a predecessor to be gone may have used up their patience for a place.
        for id in &demand.waiters {
            if let Some(waiter) = self.waiters.get_mut(id) {
                let at = waiter.deadline.min(waiter.patience);
                self.timers.set(&mut waiter.armed, Some(at), &Alarm::Waiter(*id));
            }
        }
    }

    /// Takes a key out of line.
    pub(super) fn dequeue(&mut self, key: &Key) {
        let Some(demand) = self.demands.get_mut(key) else { return };
        let Some(queued) = demand.queued.take() else { return };
        self.queued_calls -= demand.waiters.len();
        self.lanes.of(&queued.lane).queue.remove(&queued.oldest);
    }

    /// A call waits no longer, for whatever reason.
    fn leave(&mut self, now: Instant, id: WaiterId) {
        let Some(mut waiter) = self.waiters.remove(&id) else { return };
        self.timers.set(&mut waiter.armed, None, &Alarm::Waiter(id));
        let key = waiter.key;
        let demand = self.demands.get_mut(&key).expect("a waiter's demand stays as long as the waiter");
        demand.waiters.remove(&id);
        if let Some(queued) = &mut demand.queued {
            self.queued_calls -= 1;
            if queued.oldest == id {
                let queue = &mut self.lanes.of(&queued.lane).queue;
                queue.remove(&id);
                // The others came later, and stand where they would have stood.
                if let Some(&next) = demand.waiters.first() {
                    queue.insert(next, key.clone());
                    queued.oldest = next;
                }
            }
        }
        if demand.waiters.is_empty() {
            let demand = self.demands.remove(&key);
            if let Some(queued) = demand.and_then(|demand| demand.queued) {
                self.tidy(&queued.lane);
            }
            let reserved =
                self.servers.get(&key).is_some_and(|server| matches!(server.phase, Phase::Reserved));
            if reserved {
                self.unreserve(now, &key);
            }
        }
    }

    fn settle(&mut self, waiter: WaiterId, outcome: Result<Lease<A>, LeaseError>) {
        self.actions.push(Action::Settle { waiter, outcome });
    }

    fn exhausted(&self, lane: &LaneName) -> LeaseError {
        let retry_after = self.config.retry_after;
        let full = self.lanes.get(lane).is_some_and(|lane| !lane.has_room());
        match lane {
            Some(quota) if full => LeaseError::QuotaExhausted { quota: Arc::clone(quota), retry_after },
            Some(_) | None => LeaseError::Exhausted { retry_after },
        }
    }
}
