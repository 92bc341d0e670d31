//! The state behind a [`Scope`](crate::Scope) and every transition of it.
//!
//! `Open → Halting → Ended`, never back. All transitions happen under one lock, under which no code of a user runs:
//! futures, finalizers and errors are created before and dropped after it. Who holds a scope's lock may take an
//! ancestor's, never a descendant's.

mod halting;
mod owning;

pub(crate) use self::halting::Progress;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, SetOnce};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::entries::{Entries, Key, Part};
use crate::teardown::Stop;
use crate::{Closed, Deadline, Name, NodeKind, Report, ScopeError};

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

/// What must be done, without the lock, once halting has begun.
#[derive(Clone, Copy)]
struct Begun {
    /// This call is the one that starts the teardown task.
    drive: bool,
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

    pub(crate) fn path(&self) -> String {
        match &self.owner {
            Some(owner) => join(&owner.scope.path(), &self.name),
            None => self.name.to_string(),
        }
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        join(&self.path(), name)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of a user's runs under the lock, so a poisoned one still holds a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
