//! The look after a client whose leaving reading does not show.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether the task of a connection is to look if its client is still there.
///
/// hyper does not read while it has a next request, or while nobody wants the rest of a body: whoever leaves then leaves
/// unheard. The sweep asks for a look where an exchange takes long, and the socket's wrapper looks when hyper comes by.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    wanted: AtomicBool,
    /// When the phase began, plus one, that hyper spends reading: it hears for itself. Zero if there is none.
    heard: AtomicU64,
}

impl Vigil {
    /// Whether a look makes sense in the phase that began at this tick.
    pub(crate) fn is_due(&self, since: u64) -> bool {
        self.heard.load(Ordering::Relaxed) != since + 1
    }

    /// Asks for a look. Only the sweep does.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// It has been looked.
    pub(crate) fn rest(&self) {
        self.wanted.store(false, Ordering::Relaxed);
    }

    /// hyper reads in the phase that began at this tick.
    pub(crate) fn spare(&self, since: u64) {
        self.heard.store(since + 1, Ordering::Relaxed);
    }

    /// Bytes have come during an exchange: hyper may stop reading.
    pub(crate) fn resume(&self) {
        self.heard.store(0, Ordering::Relaxed);
    }
}
