//! The right to use a server for a while.

use std::fmt;
use std::sync::atomic::Ordering;

use super::gate::Exit;
use super::{Slot, since};
use crate::{Generation, Key};

/// The right to use a server. While one is out its server is not evicted for being idle or to make place; dropping it
/// is the release, on any thread, without a lock.
///
/// Whoever keeps a lease for long, an open WebSocket for example, listens to [`Lease::draining`]: the server has been
/// told to go, and [`Lease::ended`] is next.
#[must_use = "a lease that is dropped at once lets the server go again"]
pub struct Lease<A> {
    slot: Slot<A>,
}

impl<A> Lease<A> {
    /// The caller has entered the gate of `slot`.
    #[inline]
    pub(super) fn of(slot: Slot<A>) -> Self {
        Self { slot }
    }

    /// Where further leases of the same server come from.
    pub fn slot(&self) -> &Slot<A> {
        &self.slot
    }

    /// Where the server serves.
    pub fn address(&self) -> &A {
        self.slot.address()
    }

    /// Under which key it was asked for.
    pub fn key(&self) -> &Key {
        self.slot.key()
    }

    /// Which server of that key it is.
    pub fn generation(&self) -> Generation {
        self.slot.generation()
    }

    /// Resolves when the server takes no new leases. This one is still good: finish, and let go.
    ///
    /// Cancel safe; resolves at once when that is already so.
    pub async fn draining(&self) {
        self.slot.draining().await;
    }

    /// Resolves when the server is gone or no longer waits for this lease.
    ///
    /// Cancel safe; resolves at once when that is already so.
    pub async fn ended(&self) {
        self.slot.ended().await;
    }
}

impl<A> Drop for Lease<A> {
    #[inline]
    fn drop(&mut self) {
        let stall = &*self.slot.stall;
        let note_the_time = || stall.last_use.store(since(stall.opening.epoch), Ordering::Relaxed);
        match stall.gate.leave(note_the_time) {
            Exit::Quiet => {}
            Exit::Awaited => self.slot.ring(),
        }
    }
}

impl<A: fmt::Debug> fmt::Debug for Lease<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.slot).finish()
    }
}
