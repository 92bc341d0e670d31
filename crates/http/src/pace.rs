//! How long a client keeps us waiting, and how much comes of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One direction of a connection, dated with the sweep's ticks. Whoever moves bytes writes it, and only once it has had to
/// wait: a client that keeps up costs nothing. The sweep judges.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The tick of the last byte, plus one. Zero while nobody waits.
    waiting: AtomicU64,
    /// The tick at which the rate's window began, plus one. Zero without one. The sweep's alone.
    window: AtomicU64,
    /// Bytes in that window.
    bytes: AtomicU64,
}

/// What a client may not fall below, in ticks of the sweep. None is no bound.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Least {
    /// Ticks without a byte.
    pub(crate) progress: Option<u64>,
    /// Bytes in so many ticks.
    pub(crate) rate: Option<(u64, u64)>,
}

/// What a client fell below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortfall {
    Progress,
    Rate,
}

impl Pace {
    /// Nothing can pass now.
    pub(crate) fn wait(&self, tick: u64) {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            self.waiting.store(tick + 1, Ordering::Relaxed);
        }
    }

    /// So many bytes have passed after a wait.
    pub(crate) fn pass(&self, bytes: usize) {
        self.waiting.store(0, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes have passed after a wait, and there are more.
    pub(crate) fn go_on(&self, bytes: usize, tick: u64) {
        self.waiting.store(tick + 1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether somebody waits for the client.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// There is nothing to wait for any more.
    pub(crate) fn rest(&self) {
        self.waiting.store(0, Ordering::Relaxed);
        self.window.store(0, Ordering::Relaxed);
    }

    /// Ticks without a byte, if somebody waits for one.
    pub(crate) fn stillness(&self, tick: u64) -> Option<u64> {
        match self.waiting.load(Ordering::Relaxed) {
            0 => None,
            waiting => Some((tick + 1).saturating_sub(waiting)),
        }
    }

    /// Whether the client has fallen below `least`. Once a tick.
    ///
    /// A client that nobody waits for at the moment has not: if it is us who are slow, a look finds nobody waiting sooner or
    /// later, and the window of the rate begins anew.
    pub(crate) fn judge(&self, tick: u64, least: Least) -> Option<Shortfall> {
        let now = tick + 1;
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting == 0 {
            self.window.store(0, Ordering::Relaxed);
            return None;
        }
        if least.progress.is_some_and(|most| now.saturating_sub(waiting) > most) {
            return Some(Shortfall::Progress);
        }
        let (bytes, ticks) = least.rate?;
        match self.window.load(Ordering::Relaxed) {
            0 => self.begin(now),
            begun if now.saturating_sub(begun) < ticks => {}
            _ if self.bytes.load(Ordering::Relaxed) < bytes => return Some(Shortfall::Rate),
            _ => self.begin(now),
        }
        None
    }

    fn begin(&self, now: u64) {
        self.window.store(now, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
}

impl Least {
    /// From what a configuration says.
    pub(crate) fn new(
        progress: Option<Duration>,
        rate: Option<u64>,
        window: Duration,
        ticks: impl Fn(Duration) -> u64,
    ) -> Self {
        let bytes =
            |rate: u64| u64::try_from(u128::from(rate) * window.as_millis() / 1000).unwrap_or(u64::MAX);
        Self { progress: progress.map(&ticks), rate: rate.map(|rate| (bytes(rate), ticks(window).max(1))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Least = Least { progress: Some(3), rate: Some((100, 4)) };

    #[test]
    fn who_does_not_wait_is_not_kept_waiting() {
        let pace = Pace::default();
        assert!((0..100).all(|tick| pace.judge(tick, LEAST).is_none()));
    }

    #[test]
    fn a_client_that_stands_still_falls_short_of_progress() {
        let pace = Pace::default();
        pace.wait(10);
        pace.wait(12);
        assert_eq!(pace.judge(13, LEAST), None);
        assert_eq!(pace.judge(14, LEAST), Some(Shortfall::Progress));
    }

    #[test]
    fn a_client_that_drips_falls_short_of_the_rate_and_one_that_flows_does_not() {
        for (bytes, expected) in [(24, Some(Shortfall::Rate)), (25, None)] {
            let pace = Pace::default();
            let judged = (0..40).find_map(|tick| {
                pace.pass(bytes);
                pace.wait(tick);
                pace.judge(tick, LEAST)
            });
            assert_eq!(judged, expected, "{bytes}");
        }
    }

    #[test]
    fn a_pause_of_ours_is_not_the_clients() {
        let pace = Pace::default();
        let judged = (0..40).find_map(|tick| {
            pace.pass(1);
            if tick % 4 != 0 {
                pace.wait(tick);
            }
            pace.judge(tick, LEAST)
        });
        assert_eq!(judged, None);
    }
}
