//! The place of one ready server: an address behind a gate.

mod atomic;
mod gate;
mod lease;
mod word;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

pub(crate) use self::gate::Closing;
use self::gate::{Entry, Gate};
pub use self::lease::Lease;
use crate::{Generation, Key};

/// The place of one ready server. Cheap to clone and to keep: a caller that holds on to it leases without asking the
/// pool, and finds out from the same call when it has to ask again.
///
/// A slot belongs to one generation and is never used again. Holding one keeps nothing alive but a few hundred bytes.
pub struct Slot<A> {
    stall: Arc<Stall<A>>,
}

/// Whether a slot gives leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// It does.
    Ready,
    /// No more; the leases that are out may go on.
    Draining,
    /// The server is gone or about to be, and whoever still has a lease is cut off.
    Ended,
}

/// A word to the control side that a slot wants looking at. There is at most one for each time it was asked for, and
/// two more in a slot's life (last use, last release), which bounds the queue it travels in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ring {
    pub(crate) key: Key,
    pub(crate) generation: Generation,
}

/// What a slot is made of.
pub(crate) struct Opening<A> {
    pub(crate) key: Key,
    pub(crate) generation: Generation,
    pub(crate) address: A,
    pub(crate) pid: Option<u32>,
    pub(crate) max_uses: Option<NonZeroU64>,
    /// The zero of the pool's coarse clock.
    pub(crate) epoch: Instant,
    /// The driver listens at the other end.
    pub(crate) bell: UnboundedSender<Ring>,
}

struct Stall<A> {
    gate: Gate<AtomicU64>,
    /// Nanoseconds from the epoch to the release that left nothing leased. Means nothing while something is.
    last_use: AtomicU64,
    opening: Opening<A>,
    /// Wakes the holders of leases that want to know when the server is told to go.
    changed: Notify,
}

impl<A> Slot<A> {
    pub(crate) fn open(opening: Opening<A>) -> Self {
        let gate = Gate::new(opening.generation.number(), opening.max_uses);
        let last_use = AtomicU64::new(since(opening.epoch));
        Self { stall: Arc::new(Stall { gate, last_use, opening, changed: Notify::new() }) }
    }

    /// A lease, if the server is ready: one compare-and-swap, no lock. `None` means that this slot will never give one
    /// again, and that the pool has to be asked.
    #[inline]
    pub fn lease(&self) -> Option<Lease<A>> {
        match self.stall.gate.enter() {
            Entry::Refused => None,
            Entry::Leased => Some(Lease::of(self.clone())),
            Entry::LastUse => {
                self.stall.changed.notify_waiters();
                self.ring();
                Some(Lease::of(self.clone()))
            }
        }
    }

    /// Where the server serves.
    pub fn address(&self) -> &A {
        &self.stall.opening.address
    }

    /// Under which key it was asked for.
    pub fn key(&self) -> &Key {
        &self.stall.opening.key
    }

    /// Which server of that key it is.
    pub fn generation(&self) -> Generation {
        self.stall.opening.generation
    }

    /// The child process behind it, if there is one.
    pub fn pid(&self) -> Option<u32> {
        self.stall.opening.pid
    }

    /// Whether it gives leases.
    pub fn state(&self) -> SlotState {
        self.stall.gate.word().state()
    }

    /// Leases out now.
    pub fn leases(&self) -> u32 {
        self.stall.gate.word().leases()
    }

    /// Leases given so far.
    pub fn served(&self) -> u64 {
        self.stall.gate.served()
    }

    /// Resolves when the slot gives no more leases.
    pub async fn draining(&self) {
        self.left(|state| !matches!(state, SlotState::Ready)).await;
    }

    /// Resolves when the server is gone or cut off.
    pub async fn ended(&self) {
        self.left(|state| matches!(state, SlotState::Ended)).await;
    }

    /// When the last lease ended; `None` while one is out.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        if self.leases() > 0 {
            return None;
        }
        // Read after the word: the release that emptied it had stored this before.
        let nanos = self.stall.last_use.load(Ordering::Relaxed);
        Some(self.stall.opening.epoch + Duration::from_nanos(nanos))
    }

    /// Gives no more leases; returns how many are out, the last of which rings.
    pub(crate) fn close(&self) -> u32 {
        let left = self.stall.gate.close();
        self.stall.changed.notify_waiters();
        left
    }

    /// Closes if idle; else the release that makes it idle rings.
    pub(crate) fn close_if_idle(&self) -> Closing {
        let closing = self.stall.gate.close_if_idle();
        if closing == Closing::Closed {
            self.stall.changed.notify_waiters();
        }
        closing
    }

    /// Cuts off; returns how many leases were out.
    pub(crate) fn end(&self) -> u32 {
        let left = self.stall.gate.end();
        self.stall.changed.notify_waiters();
        left
    }

    fn ring(&self) {
        let opening = &self.stall.opening;
        // Nobody listens once the pool is gone, and then nobody has to know.
        let _ = opening.bell.send(Ring { key: opening.key.clone(), generation: opening.generation });
    }

    async fn left(&self, reached: impl Fn(SlotState) -> bool) {
        loop {
            let changed = self.stall.changed.notified();
            tokio::pin!(changed);
            // Listen first, look second: a change in between is not missed.
            changed.as_mut().enable();
            if reached(self.state()) {
                return;
            }
            changed.await;
        }
    }
}

impl<A> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self { stall: Arc::clone(&self.stall) }
    }
}

impl<A: fmt::Debug> fmt::Debug for Slot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("key", self.key())
            .field("generation", &self.generation())
            .field("address", self.address())
            .field("word", &self.stall.gate.word())
            .finish_non_exhaustive()
    }
}

/// Nanoseconds since the epoch, on the clock that tests can pause.
fn since(epoch: Instant) -> u64 {
    u64::try_from(Instant::now().saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}
