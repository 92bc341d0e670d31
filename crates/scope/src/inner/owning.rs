//! What a scope owns: entries come, complete and go.

use std::sync::{Arc, MutexGuard};

use tokio::task::AbortHandle;

use super::{Inner, Link, Outcome, Phase, State, join};
use crate::entries::{Entry, Key, Part};
use crate::tree::Listed;
use crate::{Closed, NodeKind, NodeState, ScopeError};

impl Inner {
    pub(crate) fn insert(&self, part: impl FnOnce() -> Part) -> Result<Key, Closed> {
        let mut state = self.lock();
        state.require_open()?;
        Ok(state.entries.insert(part()))
    }

    /// Completes the entry of work that was spawned. It may be gone by now; if it was already asked to stop, or given up,
    /// passes that on.
    pub(crate) fn attach(&self, key: Key, abort: AbortHandle) {
        let mut state = self.lock();
        let open = matches!(state.phase, Phase::Open);
        let late = match state.entries.get_mut(key) {
            Some(Entry { asked: false, part: Part::Work(work), .. }) => {
                work.abort = Some(abort);
                None
            }
            Some(_) => Some(abort),
            None => (!open).then_some(abort),
        };
        drop(state);
        late.inspect(AbortHandle::abort);
    }

    pub(crate) fn entry_path(&self, key: Key) -> String {
        let path = self.path();
        let mut state = self.lock();
        state.entries.get_mut(key).map_or_else(|| path.clone(), |entry| join(&path, entry.part.name()))
    }

    /// The work under `key` is gone.
    pub(crate) fn work_ended(self: &Arc<Self>, key: Key, kind: NodeKind, outcome: Outcome) {
        let mut state = self.lock();
        let entry = state.entries.remove(key);
        let open = matches!(state.phase, Phase::Open);
        let failure = match (outcome, kind) {
            (Outcome::Done, NodeKind::Daemon | NodeKind::Thread) if open => {
                let name = entry.as_ref().map_or("", |entry| entry.part.name());
                Some(ScopeError::daemon_ended(self.path_of(name)))
            }
            (Outcome::Halted | Outcome::Done, _) | (Outcome::Failed(_), NodeKind::Supervised) => None,
            // Once halting, "I was halted" is no news.
            (Outcome::Failed(error), _) => Some(error).filter(|error| open || !error.is_from_halting()),
        };
        match failure {
            None if !state.driven => drop(state),
            failure => self.settle(state, failure, Vec::new()),
        }
    }

    /// The child scope under `key` has ended.
    pub(super) fn child_ended(self: &Arc<Self>, failure: Option<ScopeError>, stuck: Vec<String>) {
        self.settle(self.lock(), failure, stuck);
    }

    /// A failure that no entry stands for.
    pub(crate) fn fail(self: &Arc<Self>, failure: ScopeError) {
        self.settle(self.lock(), Some(failure), Vec::new());
    }

    /// Takes note of a failure, which starts halting if nothing else has, and wakes the teardown task.
    fn settle(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        failure: Option<ScopeError>,
        stuck: Vec<String>,
    ) {
        let mut begun = None;
        match (&state.phase, failure) {
            // What is stuck in a child that ended on its own is in that child's report.
            (Phase::Open, None) => {}
            (Phase::Open, Some(failure)) => {
                state.failures.push(failure);
                begun = Some(state.begin(self.own_deadline()));
            }
            (Phase::Halting { .. }, failure) => {
                state.failures.extend(failure);
                state.stuck.extend(stuck);
            }
            (Phase::Ended, None) => {}
            (Phase::Ended, Some(error)) => {
                tracing::warn!(%error, "what was stuck has failed after its scope had ended");
            }
        }
        let driven = state.driven;
        drop(state);
        match begun {
            Some(begun) => self.announce(begun),
            None if driven => self.wake.notify_one(),
            None => {}
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    pub(crate) fn parts(&self) -> (NodeState, Vec<Listed>) {
        let state = self.lock();
        let phase = match state.phase {
            Phase::Open => NodeState::Live,
            Phase::Halting { .. } => NodeState::Halting,
            Phase::Ended => NodeState::Ended,
        };
        let parts = state.entries.iter().map(|(_, entry)| entry.list()).collect();
        (phase, parts)
    }

    /// From now on the scope's failure is its owner's. `false` if it has begun to halt.
    pub(crate) fn provide(&self) -> bool {
        let mut state = self.lock();
        state.body = false;
        let open = matches!(state.phase, Phase::Open);
        if open {
            state.link = Link::Linked;
        }
        open
    }

    /// The body that ran in a caller's task is gone.
    pub(crate) fn release_body(&self) {
        self.lock().body = false;
        self.wake.notify_one();
    }
}
