//! The bounds of a pool as a whole.

use std::time::Duration;

/// The bounds that all servers of a pool share. Those of one server are its [`Policy`](crate::Policy).
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// How many servers may exist at once. One counts from the moment its place is reserved until its teardown has
    /// finished, so that an operator who allows a hundred processes never sees the hundred-and-first.
    pub max_servers: usize,
    /// How many calls may wait for a place in a full pool. The next one is refused at once.
    pub max_waiting: usize,
    /// How many calls may wait for one server to start, or for its predecessor to be gone.
    pub max_waiting_per_server: usize,
    /// How long a call may wait for a place, counted from its arrival; its own deadline may be earlier.
    pub wait_timeout: Duration,
    /// How many servers may be starting at once: starts compete for the processor, and too many time out together.
    pub max_parallel_starts: usize,
    /// What a refused caller is told when nothing better is known about when to come back.
    pub retry_after: Duration,
    /// The pause between a failed start and the next try under the same key.
    pub backoff: Backoff,
    /// When to stop trying a key for a while.
    pub breaker: Breaker,
    /// How long the pool may drain when its scope is halted; it gets less when the scope has less left.
    pub drain_timeout: Duration,
    /// How many keys are remembered for having failed. Beyond it the one whose memory would fade first is forgotten:
    /// strangers can make up names, and their failures must not fill the memory.
    pub max_remembered_failures: usize,
}

/// An exponential pause with jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub initial: Duration,
    /// No pause is longer.
    pub max: Duration,
    /// By how much each pause is longer than the one before.
    pub factor: f64,
    /// Which share of a pause is left to chance, from 0 (none) to 1 (all): servers that failed together should not
    /// come back together.
    pub jitter: f64,
    /// A server that lived this long after it was ready has made good for the failures before it. Also how long
    /// failures are remembered when nobody asks for the key.
    pub forgiven_after: Duration,
}

/// The circuit breaker of each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// After this many failures in a row the key is refused without a try; 0 turns the breaker off.
    pub failures: u32,
    /// For how long. Then one start is tried, and its failure opens the breaker again.
    pub open_for: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_servers: 100,
            max_waiting: 1024,
            max_waiting_per_server: 1024,
            wait_timeout: Duration::from_secs(30),
            max_parallel_starts: 16,
            retry_after: Duration::from_secs(1),
            backoff: Backoff::default(),
            breaker: Breaker::default(),
            drain_timeout: Duration::from_secs(30),
            max_remembered_failures: 1024,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(30),
            factor: 2.0,
            jitter: 0.5,
            forgiven_after: Duration::from_secs(60),
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The pause after that many failures in a row, with `chance` in `0.0..1.0` from the caller's randomness.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ostler_pool::Backoff;
    ///
    /// let calm = Backoff { initial: Duration::from_millis(100), jitter: 0.0, ..Backoff::default() };
    /// assert_eq!(calm.pause(1, 0.9), Duration::from_millis(100));
    /// assert_eq!(calm.pause(3, 0.9), Duration::from_millis(400));
    /// assert_eq!(calm.pause(99, 0.9), calm.max);
    /// ```
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        let Some(exponent) = failures.checked_sub(1) else { return Duration::ZERO };
        let exponent = i32::try_from(exponent).unwrap_or(i32::MAX);
        let whole = self.initial.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let capped = whole.min(self.max.as_secs_f64());
        let jitter = self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        Duration::from_secs_f64(capped * (1.0 - jitter))
    }
}
