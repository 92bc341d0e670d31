//! The memory of keys whose servers failed: back-off and circuit breaker.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::timers::after;
use crate::{Backoff, Breaker, Key, LeaseError, PoolConfig, StartFailure};

/// Where chance comes from: a number in `0.0..1.0`.
pub(crate) type Chance = Box<dyn FnMut() -> f64 + Send>;

/// What is remembered of failed keys, bounded in number and time.
pub(super) struct Failures {
    records: HashMap<Key, Record>,
    /// Records by when they fade, to find what may go and, if there are too many, what goes first.
    fading: BTreeSet<(Instant, Key)>,
    backoff: Backoff,
    breaker: Breaker,
    max_records: usize,
    chance: Chance,
}

#[derive(Debug)]
struct Record {
    /// Failures in a row.
    streak: u32,
    last: Arc<StartFailure>,
    /// No start before.
    not_before: Instant,
    fades_at: Instant,
}

/// When in its life a server failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    Starting,
    ReadyFor(Duration),
}

impl Failures {
    pub(super) fn new(config: &PoolConfig, chance: Chance) -> Self {
        Self {
            records: HashMap::new(),
            fading: BTreeSet::new(),
            backoff: config.backoff,
            breaker: config.breaker,
            max_records: config.max_remembered_failures,
            chance,
        }
    }

    /// Why the key may not be started now.
    pub(super) fn refusal(&self, key: &Key, now: Instant) -> Option<LeaseError> {
        let record = self.records.get(key)?;
        let retry_after = record.not_before.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(LeaseError::BackingOff { retry_after, last: Arc::clone(&record.last) })
    }

    /// A failed start is followed by a pause. So is the death of a ready server, but not the first in a row: one crash
    /// is repaired by the next call, a crash loop is not.
    pub(super) fn note(&mut self, now: Instant, failed: Failed, failure: Arc<StartFailure>) {
        let key = failure.key.clone();
        let before =
            self.forget(&key).filter(|record| record.fades_at > now).map_or(0, |record| record.streak);
        let (streak, pauses) = match failed {
            Failed::Starting => (before.saturating_add(1), before.saturating_add(1)),
            Failed::ReadyFor(lived) if lived >= self.backoff.forgiven_after => (1, 0),
            Failed::ReadyFor(_) => (before.saturating_add(1), before),
        };
        let mut pause = self.backoff.pause(pauses, (self.chance)());
        if self.breaker.failures > 0 && streak >= self.breaker.failures {
            pause = pause.max(self.breaker.open_for);
        }
        let not_before = after(now, pause);
        let fades_at = after(not_before, self.backoff.forgiven_after);
        self.fading.insert((fades_at, key.clone()));
        self.records.insert(key, Record { streak, last: failure, not_before, fades_at });
        self.shrink(now);
    }

    /// A server of that key has lived well for so long.
    pub(super) fn forgive(&mut self, key: &Key, lived: Duration) {
        if lived >= self.backoff.forgiven_after {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: &Key) -> Option<Record> {
        let record = self.records.remove(key)?;
        self.fading.remove(&(record.fades_at, key.clone()));
        Some(record)
    }

    fn shrink(&mut self, now: Instant) {
        while let Some((fades_at, key)) = self.fading.first().cloned() {
            if fades_at > now && self.records.len() <= self.max_records {
                return;
            }
            self.forget(&key);
        }
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures").field("records", &self.records).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    const MINUTE: Duration = Duration::from_secs(60);

    fn failures() -> Failures {
        let backoff = Backoff {
            initial: Duration::from_secs(1),
            factor: 2.0,
            max: MINUTE,
            jitter: 0.0,
            forgiven_after: MINUTE,
        };
        let breaker = Breaker { failures: 4, open_for: 10 * MINUTE };
        let config = PoolConfig { backoff, breaker, max_remembered_failures: 2, ..PoolConfig::default() };
        Failures::new(&config, Box::new(|| 0.5))
    }

    fn failure(key: &str) -> Arc<StartFailure> {
        Arc::new(StartFailure {
            key: key.into(),
            generation: Generation::new(1),
            error: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("no")),
        })
    }

    fn pause(failures: &Failures, now: Instant) -> Option<u64> {
        match failures.refusal(&"a".into(), now)? {
            LeaseError::BackingOff { retry_after, .. } => Some(retry_after.as_secs()),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn pauses_grow_with_each_failed_start_until_the_breaker_opens() {
        let mut failures = failures();
        let now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..4 {
            failures.note(now, Failed::Starting, failure("a"));
            pauses.push(pause(&failures, now).unwrap());
        }
        assert_eq!(pauses, [1, 2, 4, 600]);
        assert_eq!(pause(&failures, now + 10 * MINUTE), None, "the breaker lets one try through");
    }

    #[tokio::test]
    async fn one_crash_is_free_and_a_crash_loop_is_not() {
        let mut failures = failures();
        let now = Instant::now();
        failures.note(now, Failed::ReadyFor(Duration::from_secs(1)), failure("a"));
        assert_eq!(pause(&failures, now), None);
        failures.note(now, Failed::ReadyFor(Duration::from_secs(1)), failure("a"));
        assert_eq!(pause(&failures, now), Some(1));
        failures.note(now, Failed::ReadyFor(MINUTE), failure("a"));
        assert_eq!(pause(&failures, now), None, "it had lived long enough");
    }

    #[tokio::test]
    async fn a_faded_failure_does_not_count() {
        let mut failures = failures();
        let now = Instant::now();
        failures.note(now, Failed::Starting, failure("a"));
        failures.note(now, Failed::Starting, failure("a"));
        let later = now + Duration::from_secs(2) + MINUTE;
        failures.note(later, Failed::Starting, failure("a"));
        assert_eq!(pause(&failures, later), Some(1));
    }

    #[tokio::test]
    async fn what_fades_first_makes_place_for_new_failures() {
        let mut failures = failures();
        let now = Instant::now();
        for key in ["a", "b", "c"] {
            failures.note(now, Failed::Starting, failure(key));
        }
        assert_eq!(pause(&failures, now), None);
        assert_eq!((failures.records.len(), failures.fading.len()), (2, 2));
    }
}
