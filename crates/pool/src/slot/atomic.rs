//! The atomics a gate is made of, so that the same gate runs on the model checker's.

use std::sync::atomic::{AtomicU64, Ordering};

/// An atomic 64-bit integer. The orderings are part of the contract, not of the call: acquire on load, acquire and
/// release on change.
pub(crate) trait Atomic: Send + Sync {
    fn new(value: u64) -> Self;
    fn load(&self) -> u64;
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64>;
    /// Adds without ordering anything else, and returns what was there before.
    fn count_up(&self) -> u64;
}

impl Atomic for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    #[inline]
    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange_weak(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    #[inline]
    fn count_up(&self) -> u64 {
        self.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Atomic for shuttle::sync::atomic::AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange_weak(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    fn count_up(&self) -> u64 {
        self.fetch_add(1, Ordering::Relaxed)
    }
}
