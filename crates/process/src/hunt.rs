//! Ending a quarry for certain, without a runtime: the guard and the start-up sweep have none.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::time::Instant;

use crate::census::{self, Quarry};

/// How long one round waits for those it killed.
const ROUND: Duration = Duration::from_millis(20);

/// Rounds that found nobody before the hunt ends, when some environment could not be told.
const CLEAR_ROUNDS: u32 = 2;

/// Somebody could not be ended in time, e.g. stuck in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("still alive after SIGKILL: {pids:?}")]
pub(crate) struct Survivors {
    pub(crate) pids: Vec<u32>,
}

/// Kills until a walk finds nobody, and returns how many were killed.
///
/// # Errors
/// The deadline passed first, or `/proc` cannot be read (then with an empty list).
pub(crate) fn end_all(quarry: &Quarry, deadline: Instant) -> Result<usize, Survivors> {
    let mut ended = 0;
    let mut clear = 0;
    loop {
        let round = strike(quarry).map_err(|_| Survivors { pids: Vec::new() })?;
        if round.pids.is_empty() {
            clear += 1;
            if !round.unclear || clear >= CLEAR_ROUNDS {
                return Ok(ended);
            }
        } else {
            clear = 0;
            ended += round.pidfds.len();
        }
        if Instant::now() >= deadline {
            return Err(Survivors { pids: round.pids });
        }
        wait(&round.pidfds);
    }
}

/// What one walk found and hit.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) pids: Vec<u32>,
    pub(crate) pidfds: Vec<OwnedFd>,
    pub(crate) unclear: bool,
}

/// One walk, and SIGKILL to all it found.
pub(crate) fn strike(quarry: &Quarry) -> io::Result<Round> {
    let census = census::take()?;
    Ok(strike_among(quarry, &census))
}

/// SIGKILL to all of `census` that the quarry selects.
pub(crate) fn strike_among(quarry: &Quarry, census: &[census::Entry]) -> Round {
    let found = quarry.select(census);
    Round {
        pids: found.iter().map(|entry| entry.stat.pid).collect(),
        pidfds: found.iter().filter_map(|entry| entry.kill()).collect(),
        unclear: census::is_unclear(census),
    }
}

/// Waits until they all are gone or the round is over.
fn wait(pidfds: &[OwnedFd]) {
    let until = Instant::now() + ROUND;
    for pidfd in pidfds {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        let _ = rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout));
    }
    if pidfds.is_empty() {
        pause(Duration::from_millis(1));
    }
}

/// Waits less than a second, in a process that has nothing else to do.
pub(crate) fn pause(duration: Duration) {
    let timeout = Timespec { tv_sec: 0, tv_nsec: duration.subsec_nanos().into() };
    let _ = rustix::event::poll(&mut [], Some(&timeout));
}
