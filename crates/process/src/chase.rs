//! Ending a quarry for certain: strike, wait for those who were hit, look again, until a look finds nobody.
//!
//! No runtime in here, because the guard has none: whoever chases brings the censuses and the waiting.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::time::Instant;

use crate::census::{self, Entry, Quarry};
use crate::cgroup;

/// Looks that must find nobody when some process hides its environment: it may be between two programs at that moment.
const CLEAR_LOOKS: u32 = 2;

/// How long a chaser waits before it looks again: first, and at most.
pub(crate) const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// One quarry until it is gone.
#[derive(Debug)]
pub(crate) struct Chase {
    quarry: Quarry,
    /// Everything in here is of the quarry too.
    cgroup: Option<PathBuf>,
    /// Hit, and not yet seen to have exited. A process gives up its environment before its sockets: not to be found any more is not
    /// to be gone.
    dying: Vec<(u32, OwnedFd)>,
    clear_looks: u32,
}

/// What a strike leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Gone,
    LookAgain,
}

impl Chase {
    pub(crate) fn new(quarry: Quarry, cgroup: Option<PathBuf>) -> Self {
        Self { quarry, cgroup, dying: Vec::new(), clear_looks: 0 }
    }

    /// Kills the cgroup, and tells whether somebody who was hit is still there: then a look would come too early.
    pub(crate) fn is_pending(&mut self) -> bool {
        self.dying.retain(|(_, pidfd)| !has_exited(pidfd));
        let populated = self.cgroup.as_ref().is_some_and(|path| cgroup::is_populated(path));
        if populated && let Some(Err(error)) = self.cgroup.as_ref().map(|path| cgroup::kill(path)) {
            tracing::debug!(%error, "cgroup.kill failed, walking instead");
        }
        populated || !self.dying.is_empty()
    }

    /// SIGKILL to everyone of the quarry in `census`.
    pub(crate) fn strike(&mut self, census: &[Entry]) -> Outcome {
        let mut found = false;
        for entry in self.quarry.select(census) {
            found = true;
            if !self.dying.iter().any(|(pid, _)| *pid == entry.stat.pid) {
                self.dying.extend(entry.kill().map(|pidfd| (entry.stat.pid, pidfd)));
            }
        }
        if found || self.is_pending() {
            self.clear_looks = 0;
            return Outcome::LookAgain;
        }
        self.clear_looks += 1;
        if census::is_unclear(census) && self.clear_looks < CLEAR_LOOKS {
            return Outcome::LookAgain;
        }
        Outcome::Gone
    }

    /// Who was hit and is still there.
    pub(crate) fn left(&self) -> Vec<u32> {
        self.dying.iter().map(|(pid, _)| *pid).collect()
    }

    /// The whole chase, blocking, until it is done or `deadline` has passed.
    pub(crate) fn run(mut self, deadline: Instant) {
        while Instant::now() < deadline {
            if !self.is_pending()
                && let Ok(census) = census::take()
                && self.strike(&census) == Outcome::Gone
            {
                return;
            }
            let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE.0.subsec_nanos().into() };
            let _ = rustix::event::poll(&mut [], Some(&pause));
        }
    }
}

fn has_exited(pidfd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // A process that cannot be watched counts as gone; the next look finds it if it is not.
    rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)) != Ok(0)
}
