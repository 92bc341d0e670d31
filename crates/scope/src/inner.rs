//! The state behind a [`Scope`](crate::Scope) and every transition of it.
//!
//! `Open → Halting → Ended`, never back. All transitions happen under one lock, under which no code of a user runs:
//! futures, finalizers and errors are created before and dropped after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, SetOnce};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::entries::{Entries, Entry, Key, Part};
use crate::teardown::{self, Stop};
use crate::tree::Listed;
use crate::{Closed, Deadline, Name, Node, NodeKind, NodeState, Report, ScopeError};

pub(crate) struct Inner {
    pub(crate) name: Name,
    /// Whose entry this scope is; `None` for a root. Kept alive by us, since a child's path and context come from there.
    pub(crate) owner: Option<Owner>,
    pub(crate) order: Order,
    pub(crate) opened: Instant,
    pub(crate) limits: Limits,
    pub(crate) context: Context,
    pub(crate) halting: CancellationToken,
    pub(crate) ended: SetOnce<Report>,
    /// Wakes the one teardown task: something it may be waiting for has happened.
    pub(crate) wake: Notify,
    /// Where the root was opened: the runtime that outlives the tree, so all teardown runs there.
    pub(crate) runtime: Handle,
    state: Mutex<State>,
}

pub(crate) struct Owner {
    pub(crate) scope: Arc<Inner>,
    pub(crate) key: Key,
}

/// How the parts of a scope stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Newest first, one after another.
    Reverse,
    /// All at once: the members of a group.
    Together,
    /// As `Reverse`, but what it runs is first waited for: the scope of a finalizer.
    Join,
}

/// How long things may take once the scope halts; inherited by child scopes.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) cleanup: Duration,
    pub(crate) grace: Duration,
}

/// What becomes of a scope's failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It fails the owner.
    Linked,
    /// It is in the report, for whoever asks.
    Supervised,
}

struct State {
    phase: Phase,
    link: Link,
    entries: Entries,
    /// Oldest first; the first is the primary one.
    failures: Vec<ScopeError>,
    /// Paths of what did not stop in time.
    stuck: Vec<String>,
    /// A `run` or `resource` body is still alive in its caller's task; teardown waits for it to be dropped.
    body: bool,
    /// The teardown task exists and wants to be woken.
    driven: bool,
}

enum Phase {
    Open,
    Halting { deadline: Deadline, since: Instant },
    Ended,
}

/// How a piece of work ended.
pub(crate) enum Outcome {
    /// Dropped before it finished.
    Halted,
    Done,
    Failed(ScopeError),
}

/// What a new scope is made of, beside its place in the tree.
pub(crate) struct Blueprint {
    pub(crate) name: Name,
    pub(crate) order: Order,
    pub(crate) link: Link,
    pub(crate) limits: Limits,
    pub(crate) context: Context,
    pub(crate) body: bool,
}

// === impl Order ===

impl Order {
    pub(crate) fn kind(self) -> NodeKind {
        match self {
            Self::Reverse => NodeKind::Scope,
            Self::Together => NodeKind::Group,
            Self::Join => NodeKind::Finalizer,
        }
    }
}

// === impl Inner: making one ===

impl Inner {
    fn new(plan: Blueprint, owner: Option<Owner>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            name: plan.name,
            owner,
            order: plan.order,
            opened: Instant::now(),
            limits: plan.limits,
            context: plan.context,
            halting: CancellationToken::new(),
            ended: SetOnce::new(),
            wake: Notify::new(),
            runtime,
            state: Mutex::new(State {
                phase: Phase::Open,
                link: plan.link,
                entries: Entries::new(),
                failures: Vec::new(),
                stuck: Vec::new(),
                body: plan.body,
                driven: false,
            }),
        })
    }

    pub(crate) fn root(plan: Blueprint) -> Arc<Self> {
        Self::new(plan, None, Handle::current())
    }

    pub(crate) fn open_child(self: &Arc<Self>, plan: Blueprint) -> Result<Arc<Self>, Closed> {
        let mut state = self.lock();
        state.require_open()?;
        let owner = Owner { scope: Arc::clone(self), key: state.entries.next_key() };
        let child = Self::new(plan, Some(owner), self.runtime.clone());
        state.entries.insert(Part::Scope(Arc::clone(&child)));
        Ok(child)
    }

    /// Puts the scope in which a finalizer runs in that finalizer's place. Its teardown task starts at once: it ends by
    /// itself when all is done.
    pub(crate) fn open_cleanup(self: &Arc<Self>, key: Key, name: Name) -> Option<Arc<Self>> {
        let plan = Blueprint {
            name,
            order: Order::Join,
            link: Link::Linked,
            limits: self.limits,
            context: self.context.clone(),
            body: false,
        };
        let owner = Owner { scope: Arc::clone(self), key };
        let cleanup = Self::new(plan, Some(owner), self.runtime.clone());
        cleanup.lock().driven = true;
        self.lock().entries.get_mut(key)?.part = Part::Scope(Arc::clone(&cleanup));
        Some(cleanup)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of a user's runs under the lock, so a poisoned one still holds a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner: what it owns ===

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
    fn child_ended(self: &Arc<Self>, failure: Option<ScopeError>, stuck: Vec<String>) {
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
        if let Some(failure) = failure {
            let open = matches!(state.phase, Phase::Open);
            // Who awaited a failed sibling hands its error on.
            if !state.failures.iter().any(|known| known.is_same(&failure)) {
                state.failures.push(failure);
            }
            if open {
                begun = Some(state.begin(self.own_deadline()));
            }
        }
        if !matches!(state.phase, Phase::Open) {
            state.stuck.extend(stuck);
        }
        let driven = state.driven;
        drop(state);
        if let Some(begun) = begun {
            self.announce(begun);
        } else if driven {
            self.wake.notify_one();
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

    pub(crate) fn path(&self) -> String {
        match &self.owner {
            Some(owner) => join(&owner.scope.path(), &self.name),
            None => self.name.to_string(),
        }
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        join(&self.path(), name)
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

// === impl Inner: halting ===

/// What must be done, without the lock, once halting has begun.
#[derive(Clone, Copy)]
struct Begun {
    /// This call is the one that starts the teardown task.
    drive: bool,
}

impl Inner {
    /// The deadline of a halt that nobody gave one for: our own budget, within what is left of a halting owner's.
    fn own_deadline(&self) -> Deadline {
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
        let deadline = limit.child(self.limits.cleanup);
        let mut state = self.lock();
        match &state.phase {
            Phase::Open => {
                let begun = state.begin(deadline);
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

    fn announce(self: &Arc<Self>, begun: Begun) {
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
            let late: Vec<_> =
                state.entries.iter().filter_map(|(_, entry)| entry.joinable_path(&path)).collect();
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

// === impl State ===

impl State {
    fn require_open(&self) -> Result<(), Closed> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Halting { .. } | Phase::Ended => Err(Closed),
        }
    }

    fn begin(&mut self, deadline: Deadline) -> Begun {
        self.phase = Phase::Halting { deadline, since: Instant::now() };
        Begun { drive: !std::mem::replace(&mut self.driven, true) }
    }

    fn ask(&mut self, key: Key) -> Option<Stop> {
        let entry = self.entries.get_mut(key)?;
        if std::mem::replace(&mut entry.asked, true) {
            return None;
        }
        Some(Stop::of(&mut entry.part))
    }

    fn ask_all(&mut self, included: impl Fn(&Part) -> bool) -> Vec<(Key, Stop)> {
        let keys: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.asked && included(&entry.part))
            .map(|(key, _)| key)
            .collect();
        keys.into_iter().filter_map(|key| self.ask(key).map(|stop| (key, stop))).collect()
    }
}

/// The task that runs a finalizer has no name beside that of the scope it runs in.
fn join(path: &str, name: &str) -> String {
    if name.is_empty() { path.to_owned() } else { format!("{path}/{name}") }
}

impl Part {
    fn name(&self) -> &str {
        match self {
            Self::Work(work) => &work.name,
            Self::Scope(scope) => &scope.name,
            Self::Finalizer(name, ..) => name,
        }
    }
}

impl Entry {
    fn joinable_path(&self, scope: &str) -> Option<String> {
        match &self.part {
            Part::Work(work) if work.is_joinable() => Some(join(scope, &work.name)),
            Part::Work(_) | Part::Scope(_) | Part::Finalizer(..) => None,
        }
    }

    fn list(&self) -> Listed {
        let leaf = |name: &Name, kind, born: Instant| {
            let state = if self.asked { NodeState::Halting } else { NodeState::Live };
            Listed::Leaf(Node {
                name: name.to_string(),
                kind,
                state,
                age: born.elapsed(),
                children: Vec::new(),
            })
        };
        match &self.part {
            Part::Work(work) => leaf(&work.name, work.kind, work.born),
            Part::Finalizer(name, born, _) => leaf(name, NodeKind::Finalizer, *born),
            Part::Scope(scope) => Listed::Scope(Arc::clone(scope)),
        }
    }
}
