//! A point in time that many parties share and anyone may bring forward, never push back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// What stands for "no limit": far enough never to pass, near enough for the timer to represent.
const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A live deadline. Clones share it; it can only be shortened; one derived with [`Deadline::child`] follows when it is.
///
/// ```
/// # use std::time::Duration;
/// use ostler_scope::Deadline;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let drain = Deadline::after(Duration::from_secs(10));
/// let connection = drain.child(Duration::from_secs(60));
/// drain.shorten(tokio::time::Instant::now());
/// assert!(connection.is_expired());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Deadline {
    node: Arc<Node>,
}

#[derive(Debug)]
struct Node {
    times: Mutex<Times>,
    /// Wakes those in [`Deadline::expired`] when the instant was brought forward.
    shortened: Notify,
}

#[derive(Debug)]
struct Times {
    at: Instant,
    /// Deadlines that must never be later than this one; weak, since their scopes come and go.
    dependents: Vec<Weak<Node>>,
}

// === impl Deadline ===

impl Deadline {
    /// The deadline `budget` from now.
    #[must_use]
    pub fn after(budget: Duration) -> Self {
        Self::at(from_now(budget))
    }

    /// The deadline at `instant`, which may have passed already.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        let times = Mutex::new(Times { at: instant, dependents: Vec::new() });
        Self { node: Arc::new(Node { times, shortened: Notify::new() }) }
    }

    /// When it passes, as things stand now.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.node.lock().at
    }

    /// What is left of it; zero once it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.instant().saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Brings the deadline, and every one derived from it, forward to `instant`. A later instant changes nothing.
    pub fn shorten(&self, instant: Instant) {
        self.node.shorten(instant);
    }

    /// A deadline of its own: `budget` from now or this one, whichever is sooner, also when this one is shortened later.
    #[must_use]
    pub fn child(&self, budget: Duration) -> Self {
        let child = Self::after(budget);
        child.limit_by(self);
        child
    }

    /// Never later than `other` from here on.
    pub(crate) fn limit_by(&self, other: &Self) {
        if Arc::ptr_eq(&self.node, &other.node) {
            return;
        }
        let at = other.node.enrol(&self.node);
        self.node.shorten(at);
    }

    /// Resolves once the deadline has passed. Cancel safe.
    pub async fn expired(&self) {
        loop {
            let shortened = self.node.shortened.notified();
            tokio::pin!(shortened);
            shortened.as_mut().enable();
            tokio::select! {
                () = sleep_until(self.instant()) => return,
                () = shortened => {}
            }
        }
    }
}

// === impl Node ===

impl Node {
    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shorten(&self, instant: Instant) {
        let mut times = self.lock();
        if instant >= times.at {
            return;
        }
        times.at = instant;
        let dependents: Vec<_> = times.dependents.iter().filter_map(Weak::upgrade).collect();
        drop(times);
        self.shortened.notify_waiters();
        for dependent in dependents {
            dependent.shorten(instant);
        }
    }

    fn enrol(&self, dependent: &Arc<Self>) -> Instant {
        let mut times = self.lock();
        if times.dependents.len() == times.dependents.capacity() {
            // Only when the list would grow anyway, so that forgetting the dead costs nothing on average.
            times.dependents.retain(|dependent| dependent.strong_count() > 0);
        }
        times.dependents.push(Arc::downgrade(dependent));
        times.at
    }
}

/// Now plus `budget`, saturating.
pub(crate) fn from_now(budget: Duration) -> Instant {
    Instant::now() + budget.min(FAR_FUTURE)
}
