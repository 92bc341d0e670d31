//! The table of what a scope owns: insertion order kept, removal from anywhere in constant time.
//!
//! Not tokio-util's `TaskTracker`: that one counts, whereas teardown has to stop each in turn and name those that do not.

use std::sync::Arc;

use slab::Slab;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::finalizer::Finalizer;
use crate::inner::Inner;
use crate::{Name, NodeKind};

/// Names an entry and is not mistaken for a later one in the same slot, 2³² insertions permitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: Slot,
    serial: u32,
}

/// Half a word: an entry is touched three times in a task's life, and fewer cache lines are faster.
type Slot = u32;

/// What a scope owns, oldest first.
pub(crate) struct Entries {
    slots: Slab<Entry>,
    oldest: Option<Slot>,
    newest: Option<Slot>,
    next_serial: u32,
    /// How many of the entries are [`Part::Work`] that ends by itself: a cleanup scope waits for these.
    joinable: usize,
    /// How many are [`Part::Work`] at all.
    work: usize,
}

pub(crate) struct Entry {
    serial: u32,
    older: Option<Slot>,
    newer: Option<Slot>,
    /// Whether teardown has told it to stop, so that each is told once.
    pub(crate) asked: bool,
    pub(crate) part: Part,
}

/// What an entry stands for.
pub(crate) enum Part {
    /// A task, blocking closure or thread. Removes itself when it is gone.
    Work(Work),
    /// A child scope or group. Its teardown removes it.
    Scope(Arc<Inner>),
    /// Cleanup whose turn has not come.
    Finalizer(Name, Instant, Finalizer),
}

pub(crate) struct Work {
    pub(crate) name: Name,
    pub(crate) kind: NodeKind,
    pub(crate) born: Instant,
    /// `None` until the spawner has it, and always for a thread.
    pub(crate) abort: Option<AbortHandle>,
    /// How work that cannot be aborted is asked to stop.
    pub(crate) token: Option<CancellationToken>,
}

// === impl Work ===

impl Work {
    /// Whether it ends by itself.
    pub(crate) fn is_joinable(&self) -> bool {
        match self.kind {
            NodeKind::Task | NodeKind::Supervised | NodeKind::Blocking => true,
            NodeKind::Daemon | NodeKind::Thread | NodeKind::Scope | NodeKind::Group | NodeKind::Finalizer => {
                false
            }
        }
    }
}

// === impl Part ===

impl Part {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Work(work) => &work.name,
            Self::Scope(scope) => &scope.name,
            Self::Finalizer(name, ..) => name,
        }
    }

    pub(crate) fn is_joinable(&self) -> bool {
        match self {
            Self::Work(work) => work.is_joinable(),
            Self::Scope(_) | Self::Finalizer(..) => false,
        }
    }
}

// === impl Entries ===

impl Entries {
    pub(crate) const fn new() -> Self {
        Self { slots: Slab::new(), oldest: None, newest: None, next_serial: 0, joinable: 0, work: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn has_joinable(&self) -> bool {
        self.joinable > 0
    }

    pub(crate) fn has_work(&self) -> bool {
        self.work > 0
    }

    pub(crate) fn newest_is_work(&self) -> bool {
        self.newest.is_some_and(|slot| matches!(self.slots[slot as usize].part, Part::Work(_)))
    }

    /// The key that the next [`Entries::insert`] returns.
    pub(crate) fn next_key(&self) -> Key {
        let slot = self.slots.vacant_key().try_into().expect("four billion tasks do not fit in memory");
        Key { slot, serial: self.next_serial }
    }

    pub(crate) fn insert(&mut self, part: Part) -> Key {
        let key = self.next_key();
        self.next_serial = self.next_serial.wrapping_add(1);
        if let Part::Work(work) = &part {
            self.work += 1;
            self.joinable += usize::from(work.is_joinable());
        }
        let entry = Entry { serial: key.serial, older: self.newest, newer: None, asked: false, part };
        self.slots.insert(entry);
        match self.newest.replace(key.slot) {
            Some(before) => self.slots[before as usize].newer = Some(key.slot),
            None => self.oldest = Some(key.slot),
        }
        key
    }

    /// Removes the entry, if it is still there.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Entry> {
        self.get_mut(key)?;
        let entry = self.slots.remove(key.slot as usize);
        match entry.older {
            Some(older) => self.slots[older as usize].newer = entry.newer,
            None => self.oldest = entry.newer,
        }
        match entry.newer {
            Some(newer) => self.slots[newer as usize].older = entry.older,
            None => self.newest = entry.older,
        }
        if let Part::Work(work) = &entry.part {
            self.work -= 1;
            self.joinable -= usize::from(work.is_joinable());
        }
        Some(entry)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.slots.get_mut(key.slot as usize).filter(|entry| entry.serial == key.serial)
    }

    /// The entry created last, which is the first to be stopped.
    pub(crate) fn newest(&self) -> Option<Key> {
        self.newest.map(|slot| Key { slot, serial: self.slots[slot as usize].serial })
    }

    /// Takes everything out, in no particular order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        (self.oldest, self.newest, self.work, self.joinable) = (None, None, 0, 0);
        std::mem::take(&mut self.slots).into_iter().map(|(_, entry)| entry)
    }

    /// All entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Entry)> {
        let mut next = self.oldest;
        std::iter::from_fn(move || {
            let slot = next?;
            let entry = &self.slots[slot as usize];
            next = entry.newer;
            Some((Key { slot, serial: entry.serial }, entry))
        })
    }
}
