//! Who counts together: the servers of one quota, or those without.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::input::WaiterId;
use crate::{Key, Policy};

/// The name of a quota; `None` for servers that only count for the pool.
pub(super) type LaneName = Option<Arc<str>>;

/// One quota's servers and the keys that wait for a place among them.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) max: usize,
    /// Places taken, from reserved to gone.
    pub(super) live: usize,
    /// Of those, the ones being torn down: their places are as good as free, and nobody is evicted for them again.
    pub(super) stopping: usize,
    /// Keys without a place, by their oldest waiting call.
    pub(super) queue: BTreeMap<WaiterId, Key>,
    /// Ready servers that were idle when last looked at, by the last use that was known then. The real last use is
    /// never earlier, so the first entry is the only candidate and is looked at again before it is believed.
    pub(super) idle: BTreeSet<(Instant, Key)>,
    /// Whether the observers know that it is full.
    pub(super) told_full: bool,
}

/// All lanes that somebody is in.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<LaneName, Lane>,
}

impl Lane {
    fn new(max: usize) -> Self {
        Self { max, live: 0, stopping: 0, queue: BTreeMap::new(), idle: BTreeSet::new(), told_full: false }
    }

    pub(super) fn has_room(&self) -> bool {
        self.live < self.max
    }

    /// How many more servers it could have once everything that is stopping is gone.
    fn room_soon(&self) -> usize {
        self.max.saturating_sub(self.live - self.stopping)
    }

    /// For how many waiting keys there is no place in the lane and none on its way.
    pub(super) fn wanting(&self) -> usize {
        self.queue.len().saturating_sub(self.room_soon())
    }

    /// How many waiting keys the lane itself does not hold back.
    pub(super) fn admissible_soon(&self) -> usize {
        self.queue.len().min(self.room_soon())
    }
}

impl Lanes {
    pub(super) fn name_of(policy: &Policy) -> LaneName {
        policy.quota.as_ref().map(|quota| Arc::clone(&quota.name))
    }

    /// The lane of a policy, whose maximum holds from now on.
    pub(super) fn enter(&mut self, policy: &Policy) -> &mut Lane {
        let max = policy.quota.as_ref().map_or(usize::MAX, |quota| quota.max);
        let lane = self.lanes.entry(Self::name_of(policy)).or_insert_with(|| Lane::new(max));
        lane.max = max;
        lane
    }

    pub(super) fn get(&self, name: &LaneName) -> Option<&Lane> {
        self.lanes.get(name)
    }

    /// The lane of somebody who is in it.
    pub(super) fn of(&mut self, name: &LaneName) -> &mut Lane {
        self.lanes.get_mut(name).expect("a lane stays while a server or a waiting key is in it")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&LaneName, &Lane)> {
        self.lanes.iter()
    }

    pub(super) fn names(&self) -> Vec<LaneName> {
        self.lanes.keys().cloned().collect()
    }

    /// Forgets a lane that nobody is in: quotas come from configuration, but names may come and go with it.
    pub(super) fn tidy(&mut self, name: &LaneName) {
        if let Some(lane) = self.lanes.get_mut(name) {
            if lane.queue.is_empty() {
                lane.told_full = false;
            }
            if lane.queue.is_empty() && lane.live == 0 {
                self.lanes.remove(name);
            }
        }
    }

    /// The key that waits longest among those whose lane has room.
    pub(super) fn next_admissible(&self) -> Option<Key> {
        let heads = self
            .lanes
            .values()
            .filter(|lane| lane.has_room())
            .filter_map(|lane| lane.queue.first_key_value());
        heads.min_by_key(|(waiter, _)| **waiter).map(|(_, key)| key.clone())
    }

    /// The idle server that seems to have been unused for longest, within one lane or anywhere.
    pub(super) fn stalest(&self, within: Option<&LaneName>) -> Option<(Instant, Key)> {
        match within {
            Some(name) => self.get(name)?.idle.first().cloned(),
            None => self.lanes.values().filter_map(|lane| lane.idle.first()).min().cloned(),
        }
    }

    pub(super) fn stopping(&self) -> usize {
        self.lanes.values().map(|lane| lane.stopping).sum()
    }

    pub(super) fn admissible_soon(&self) -> usize {
        self.lanes.values().map(Lane::admissible_soon).sum()
    }
}
