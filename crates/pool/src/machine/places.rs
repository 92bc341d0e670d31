//! Places: who gets one, who has to give one up.

use tokio::time::Instant;

use super::input::{Action, Deed};
use super::lane::{LaneName, Lanes};
use super::server::{Phase, Ready, Server};
use super::timers::{Alarm, after};
use super::{Machine, Mode};
use crate::slot::Closing;
use crate::{EventKind, EvictCause, Generation, Key, Policy, ServerState};

impl<A: Clone> Machine<A> {
    /// Whether a key of that policy would get a place without waiting.
    pub(super) fn has_room(&self, policy: &Policy) -> bool {
        let Some(quota) = &policy.quota else { return self.servers.len() < self.config.max_servers };
        let taken = self.lanes.get(&Lanes::name_of(policy)).map_or(0, |lane| lane.live);
        self.servers.len() < self.config.max_servers && taken < quota.max
    }

    /// Gives away what is free, makes room for the rest, and starts whose turn it is. Called whenever one of the
    /// three may have become possible.
    pub(super) fn admit(&mut self, now: Instant) {
        if self.mode != Mode::Open {
            return;
        }
        while self.servers.len() < self.config.max_servers
            && let Some(key) = self.lanes.next_admissible()
        {
            self.reserve(&key);
        }
        self.make_room(now);
        self.launch(now);
    }

    fn reserve(&mut self, key: &Key) {
        self.dequeue(key);
        let demand = self.demands.get(key).expect("who stands in line is a demand");
        let policy = demand.policy.clone();
        self.last_generation += 1;
        let generation = Generation::new(self.last_generation);
        let lane = Lanes::name_of(&policy);
        self.lanes.enter(&policy).live += 1;
        self.tidy(&lane);
        self.servers
            .insert(key.clone(), Server { generation, policy, lane, phase: Phase::Reserved, armed: None });
        self.turns.insert(generation, key.clone());
    }

    /// Takes a place back that nobody wants any more; nothing has been started in it.
    pub(super) fn unreserve(&mut self, now: Instant, key: &Key) {
        let Some(server) = self.servers.remove(key) else { return };
        self.turns.remove(&server.generation);
        self.lanes.of(&server.lane).live -= 1;
        self.tidy(&server.lane);
        self.admit(now);
    }

    /// Evicts one idle server for each waiting key that has no place coming: first within full lanes, then anywhere.
    fn make_room(&mut self, now: Instant) {
        for name in self.lanes.names() {
            let Some(lane) = self.lanes.get(&name) else { continue };
            let wanting = lane.wanting();
            let newest = lane.queue.last_key_value().map(|(_, key)| key.clone());
            let evicted = (0..wanting).take_while(|_| self.evict_stalest(now, Some(&name))).count();
            if let Some(newest) = newest
                && evicted < wanting
            {
                self.tell_full(newest, name);
            }
        }
        let free = self.config.max_servers.saturating_sub(self.servers.len());
        let wanting = self.lanes.admissible_soon().saturating_sub(free + self.lanes.stopping());
        let evicted = (0..wanting).take_while(|_| self.evict_stalest(now, None)).count();
        if evicted < wanting {
            let newest = self.lanes.iter().filter(|(_, lane)| lane.admissible_soon() > 0);
            let newest =
                newest.filter_map(|(_, lane)| lane.queue.last_key_value()).max_by_key(|(id, _)| **id);
            if let Some((_, key)) = newest {
                self.tell_full(key.clone(), None);
            }
        }
    }

    /// Evicts the idle server that has been unused for longest; `false` when none is idle. Each of those that turn out
    /// to be leased will ring.
    fn evict_stalest(&mut self, now: Instant, within: Option<&LaneName>) -> bool {
        while let Some((ranked, key)) = self.lanes.stalest(within) {
            let slot = self.slot(&key).expect("only ready servers are ranked").clone();
            match slot.idle_since() {
                // Used since it was ranked: it goes where it belongs.
                Some(idle_since) if idle_since > ranked => self.rank(&key, Some(idle_since)),
                Some(_) | None => match slot.close_if_idle() {
                    Closing::Closed => {
                        let cause = if within.is_some() { EvictCause::Quota } else { EvictCause::Capacity };
                        self.evict(now, &key, cause);
                        return true;
                    }
                    Closing::Leased => self.rank(&key, None),
                    // Its last use closed it, and the news is still on its way.
                    Closing::NotOpen => {
                        if self.evict(now, &key, EvictCause::MaxUses) == ServerState::Stopping {
                            return true;
                        }
                    }
                },
            }
        }
        false
    }

    /// Puts a ready server into its lane's order of idle ones, or takes it out.
    pub(super) fn rank(&mut self, key: &Key, at: Option<Instant>) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let Phase::Ready(Ready { ranked, .. }) = &mut server.phase else { return };
        let idle = &mut self.lanes.of(&server.lane).idle;
        if let Some(old) = ranked.take() {
            idle.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            idle.insert((at, key.clone()));
            *ranked = Some(at);
        }
    }

    /// Starts reserved servers, as many as may start at once.
    pub(super) fn launch(&mut self, now: Instant) {
        while self.starting < self.config.max_parallel_starts.max(1)
            && let Some((generation, key)) = self.turns.pop_first()
        {
            let server = self.servers.get_mut(&key).expect("whose turn it is has a place");
            let cut_at = after(after(now, server.policy.start_timeout), server.policy.start_grace);
            server.phase = Phase::Starting { cut_at };
            let policy = server.policy.clone();
            self.timers.set(&mut server.armed, Some(cut_at), &Alarm::Server(key.clone()));
            self.starting += 1;
            self.emit(&key, generation, EventKind::Started);
            self.order(&key, generation, Deed::Start { policy });
        }
    }

    /// To be called when a key has left a line.
    pub(super) fn tidy(&mut self, lane: &LaneName) {
        self.lanes.tidy(lane);
        self.told_full &= self.queued_calls > 0;
    }

    /// Tells the observers once that somebody waits and nothing can be done about it.
    fn tell_full(&mut self, key: Key, lane: LaneName) {
        let told = match &lane {
            Some(_) => &mut self.lanes.of(&lane).told_full,
            None => &mut self.told_full,
        };
        if !std::mem::replace(told, true) {
            let kind = EventKind::LimitReached { quota: lane };
            self.actions.push(Action::Emit { key, generation: None, kind });
        }
    }
}
