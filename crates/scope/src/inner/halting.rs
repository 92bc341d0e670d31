//! Halting: who begins it, what stops next, how it ends.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Begun, Inner, Link, Order, Phase, join};
use crate::entries::{Entries, Key, Part};
use crate::teardown::{self, Stop};
use crate::{Deadline, Report, ScopeError};

/// What the teardown task has to wait for.
pub(crate) enum Progress {
    /// The body, in its caller's task.
    Body,
    /// Work that may never stop.
    Work,
    /// Scopes only; each is certain to end by its own deadline.
    Scopes,
    /// Nothing is left.
    Empty,
}

impl Inner {
    /// The deadline of a halt that nobody gave one for: our own budget, within what is left of a halting owner's.
    pub(super) fn own_deadline(&self) -> Deadline {
        let mut owner = self.owner.as_ref();
        while let Some(above) = owner {
            if let Some(deadline) = above.scope.deadline() {
                return deadline.child(self.limits.cleanup);
            }
            owner = above.scope.owner.as_ref();
        }
        Deadline::after(self.limits.cleanup)
    }

    /// The deadline of the halt under way.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match &self.lock().phase {
            Phase::Open | Phase::Ended => None,
            Phase::Halting { deadline, .. } => Some(deadline.clone()),
        }
    }

    pub(crate) fn halt(self: &Arc<Self>) {
        let deadline = self.own_deadline();
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            let begun = state.begin(deadline);
            drop(state);
            self.announce(begun);
        }
    }

    pub(crate) fn halt_by(self: &Arc<Self>, limit: &Deadline) {
        let mut state = self.lock();
        match &state.phase {
            Phase::Open => {
                let begun = state.begin(limit.child(self.limits.cleanup));
                drop(state);
                self.announce(begun);
            }
            Phase::Halting { deadline: current, .. } => {
                let current = current.clone();
                drop(state);
                current.limit_by(limit);
            }
            Phase::Ended => {}
        }
    }

    pub(super) fn announce(self: &Arc<Self>, begun: Begun) {
        self.halting.cancel();
        if begun.drive {
            teardown::start(Arc::clone(self));
        } else {
            self.wake.notify_one();
        }
    }

    /// For the teardown task of a finalizer's scope: whether halting has begun, which it does when all work has ended.
    pub(crate) fn halt_when_joined(self: &Arc<Self>, deadline: &Deadline) -> bool {
        let mut state = self.lock();
        match state.phase {
            Phase::Halting { .. } | Phase::Ended => true,
            Phase::Open if state.entries.has_joinable() => false,
            Phase::Open => {
                state.begin(deadline.clone());
                drop(state);
                self.halting.cancel();
                true
            }
        }
    }

    /// For the same task when time is up: names what has not ended and begins to halt.
    pub(crate) fn halt_overdue(self: &Arc<Self>, deadline: &Deadline) {
        let path = self.path();
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            let late = state.entries.iter().filter(|(_, entry)| entry.part.is_joinable());
            let late: Vec<_> = late.map(|(_, entry)| join(&path, entry.part.name())).collect();
            state.stuck.extend(late);
            state.begin(deadline.clone());
            drop(state);
            self.halting.cancel();
        }
    }

    /// Marks what is to stop next as told to, and says how to tell it.
    pub(crate) fn next_to_stop(&self) -> Vec<(Key, Stop)> {
        let mut state = self.lock();
        match self.order {
            Order::Reverse | Order::Join => {
                let Some(key) = state.entries.newest() else { return Vec::new() };
                state.ask(key).map(|stop| (key, stop)).into_iter().collect()
            }
            Order::Together => state.ask_all(|_| true),
        }
    }

    /// The same for everything that is left, whatever its turn, except finalizers: those still run one by one.
    pub(crate) fn all_to_stop(&self) -> Vec<(Key, Stop)> {
        self.lock().ask_all(|part| !matches!(part, Part::Finalizer(..)))
    }

    pub(crate) fn progress(&self) -> Progress {
        let state = self.lock();
        if state.body {
            return Progress::Body;
        }
        let work = match self.order {
            Order::Reverse | Order::Join => state.entries.newest_is_work(),
            Order::Together => state.entries.has_work(),
        };
        match (state.entries.is_empty(), work) {
            (true, _) => Progress::Empty,
            (false, true) => Progress::Work,
            (false, false) => Progress::Scopes,
        }
    }

    /// Stops waiting for the body, which its caller neither polls nor drops.
    pub(crate) fn give_up_body(&self) {
        let path = self.path();
        let mut state = self.lock();
        if std::mem::take(&mut state.body) {
            state.stuck.push(path);
        }
    }

    /// Gives up on work that was asked to stop and does not: it is named in the report and no longer listed.
    pub(crate) fn give_up_work(&self) {
        let path = self.path();
        let mut state = self.lock();
        let keys: Vec<_> = match self.order {
            Order::Reverse | Order::Join => state.entries.newest().into_iter().collect(),
            Order::Together => state.entries.iter().map(|(key, _)| key).collect(),
        };
        let mut gone = Vec::new();
        for key in keys {
            let is_work = state.entries.get_mut(key).is_some_and(|entry| matches!(entry.part, Part::Work(_)));
            if is_work && let Some(entry) = state.entries.remove(key) {
                let path = join(&path, entry.part.name());
                if !state.stuck.contains(&path) {
                    state.stuck.push(path);
                }
                gone.push(entry);
            }
        }
        drop(state);
    }

    /// The end: publishes the report and tells the owner.
    pub(crate) fn finish(self: &Arc<Self>) {
        let mut state = self.lock();
        let since = match std::mem::replace(&mut state.phase, Phase::Ended) {
            Phase::Halting { since, .. } => since,
            Phase::Open => Instant::now(),
            Phase::Ended => return,
        };
        // Nothing, unless the runtime was shut down in the middle of it.
        let mut left = std::mem::replace(&mut state.entries, Entries::new());
        let path = if left.is_empty() { String::new() } else { self.path() };
        state.stuck.extend(left.iter().map(|(_, entry)| join(&path, entry.part.name())));
        let report = Report {
            error: ScopeError::primary(std::mem::take(&mut state.failures)),
            stuck: std::mem::take(&mut state.stuck),
            elapsed: since.elapsed(),
        };
        let link = state.link;
        drop(state);
        for stop in left.drain().map(|mut entry| Stop::of(&mut entry.part)) {
            stop.force();
        }
        if !report.stuck.is_empty() {
            tracing::warn!(scope = self.path(), stuck = ?report.stuck, "cleanup overran its deadline");
        }
        // Out of the owner's table first: whoever sees the report must not find the scope listed any more.
        let owner = self.owner.as_ref();
        let entry = owner.and_then(|owner| owner.scope.lock().entries.remove(owner.key));
        drop(entry);
        let _ = self.ended.set(report.clone());
        let Some(owner) = owner else { return };
        let failure = match (link, report.error) {
            (Link::Linked, failure) => failure,
            (Link::Supervised, Some(error)) => {
                tracing::debug!(%error, "supervised scope failed");
                None
            }
            (Link::Supervised, None) => None,
        };
        owner.scope.child_ended(failure, report.stuck);
    }
}
