//! The one task that takes a scope down, whoever asked for it and whether or not they still wait.

use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::deadline::from_now;
use crate::entries::{Key, Part};
use crate::finalizer::{self, Finalizer};
use crate::inner::{Inner, Order, Progress};
use crate::{Deadline, Name};

/// How to tell an entry that its time has come.
pub(crate) enum Stop {
    Work(Option<CancellationToken>, Option<AbortHandle>),
    Scope(Arc<Inner>),
    Finalizer(Name, Finalizer),
}

/// Starts the teardown of a scope that has begun to halt.
pub(crate) fn start(scope: Arc<Inner>) {
    let runtime = scope.runtime.clone();
    let teardown = Teardown { scope };
    runtime.spawn(async move {
        if let Some(deadline) = teardown.scope.deadline() {
            teardown.stop_all(&deadline).await;
        }
    });
}

/// Starts the teardown of a finalizer's scope before it halts: it begins to when all work in it has ended.
pub(crate) fn start_joining(scope: Arc<Inner>, deadline: Deadline) {
    let runtime = scope.runtime.clone();
    let teardown = Teardown { scope };
    runtime.spawn(async move {
        teardown.join(&deadline).await;
        teardown.stop_all(&deadline).await;
    });
}

/// Ends the scope when dropped, so that one whose runtime is shut down under it is not waited for in vain.
struct Teardown {
    scope: Arc<Inner>,
}

impl Drop for Teardown {
    fn drop(&mut self) {
        self.scope.finish();
    }
}

impl Teardown {
    /// Waits for what a finalizer does. One whose turn comes late still gets the grace period. So does one whose deadline is
    /// brought forward under it, since what it had planned to do by then is not done, and one on a machine that was too busy to
    /// run anything meanwhile.
    async fn join(&self, deadline: &Deadline) {
        let (begun, planned, grace) = (Instant::now(), deadline.instant(), self.scope.limits.grace);
        let first = from_now(grace);
        // Set once the deadline has passed.
        let mut cutoff = None;
        while !self.scope.halt_when_joined(deadline) {
            match cutoff {
                None => tokio::select! {
                    biased;
                    () = self.scope.wake.notified() => {}
                    () = deadline.expired() => {
                        let passed = deadline.instant();
                        let is_hurried = passed < planned;
                        let is_starved = passed.max(begun).elapsed() >= grace;
                        cutoff = Some(if is_hurried || is_starved { from_now(grace) } else { first });
                    }
                },
                Some(cutoff) => tokio::select! {
                    biased;
                    () = self.scope.wake.notified() => {}
                    () = sleep_until(cutoff) => self.scope.halt_overdue(deadline),
                },
            }
        }
    }

    async fn stop_all(&self, deadline: &Deadline) {
        // Set once the deadline has passed: when work that was aborted is given up.
        let mut cutoff = None;
        let mut told_all = false;
        loop {
            let progress = self.scope.progress();
            match progress {
                Progress::Empty => return,
                Progress::Body => {}
                Progress::Work | Progress::Scopes if told_all => {}
                Progress::Work | Progress::Scopes => {
                    // Nothing is added to a scope that halts, so members of a group need telling only once.
                    told_all = self.scope.order == Order::Together;
                    self.tell(self.scope.next_to_stop(), deadline);
                }
            }
            match (cutoff, &progress) {
                (None, _) => tokio::select! {
                    biased;
                    () = self.scope.wake.notified() => {}
                    () = deadline.expired() => {
                        self.tell(self.scope.all_to_stop(), deadline);
                        cutoff = Some(from_now(self.scope.limits.grace));
                    }
                },
                (Some(_), Progress::Scopes | Progress::Empty) => self.scope.wake.notified().await,
                (Some(cutoff), Progress::Body | Progress::Work) => tokio::select! {
                    biased;
                    () = self.scope.wake.notified() => {}
                    () = sleep_until(cutoff) => {
                        self.scope.give_up_body();
                        self.scope.give_up_work();
                    }
                },
            }
        }
    }

    fn tell(&self, stops: Vec<(Key, Stop)>, deadline: &Deadline) {
        for (key, stop) in stops {
            match stop {
                Stop::Work(token, abort) => stop_work(token, abort),
                Stop::Scope(scope) => scope.halt_by(deadline),
                Stop::Finalizer(name, run) => finalizer::run(&self.scope, key, name, run, deadline),
            }
        }
    }
}

// === impl Stop ===

impl Stop {
    /// How to stop `part`. A finalizer is taken out: it runs once.
    pub(crate) fn of(part: &mut Part) -> Self {
        match part {
            Part::Work(work) => Self::Work(work.token.clone(), work.abort.clone()),
            Part::Scope(scope) => Self::Scope(Arc::clone(scope)),
            Part::Finalizer(name, _, finalizer) => Self::Finalizer(name.clone(), finalizer.take()),
        }
    }

    /// Stops what is left of a scope that nothing drives any more. Finalizers are dropped without having run.
    pub(crate) fn force(self) {
        match self {
            Self::Work(token, abort) => stop_work(token, abort),
            Self::Scope(scope) => scope.halt_by(&Deadline::at(Instant::now())),
            Self::Finalizer(..) => {}
        }
    }
}

fn stop_work(token: Option<CancellationToken>, abort: Option<AbortHandle>) {
    token.inspect(CancellationToken::cancel);
    abort.inspect(AbortHandle::abort);
}
