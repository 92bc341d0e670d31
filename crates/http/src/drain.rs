//! The end of a server, and what it left undone.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::Phase;

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a drain that timed out cut responses"]
pub enum Drain {
    /// Every exchange in flight was finished.
    Drained {
        /// Responses given since the server started.
        served: u64,
        /// Connections since the start that ended with bytes of a next request unanswered.
        dropped_pipelined: u64,
        /// From the request to drain to the last connection's end.
        elapsed: Duration,
    },
    /// The deadline passed with connections left. They were reset.
    TimedOut(Cut),
    /// Somebody did not want to wait: a deadline was brought forward, or had passed when it was given. What was left was
    /// reset.
    Forced(Cut),
    /// What accepts and serves had failed before, and the connections with it.
    SupervisorFailed,
}

/// What a drain cut short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// What was left at the deadline.
    pub remaining: Remaining,
    /// How many of them ended when they were reset.
    pub aborted: usize,
    /// How many did not end even then: a handler that blocks its thread.
    pub stuck: usize,
}

/// How far a server is. It goes through these in order, and skips [`LameDuck`](State::LameDuck) when it has no delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// It serves.
    Running = 0,
    /// It still accepts, for as long as others may not know yet, and closes connections behind their next response.
    LameDuck = 1,
    /// It accepts what the system has queued, and closes the listener.
    Closing = 2,
    /// It finishes what is in flight.
    Draining = 3,
    /// It resets what is left.
    Aborting = 4,
    /// It waits for what it has reset to be gone.
    Reaping = 5,
    /// It is over.
    Stopped = 6,
}

impl State {
    const ALL: [Self; 7] = [
        Self::Running,
        Self::LameDuck,
        Self::Closing,
        Self::Draining,
        Self::Aborting,
        Self::Reaping,
        Self::Stopped,
    ];

    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL[usize::from(number)]
    }
}

/// How many connections stood in each phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remaining(pub BTreeMap<Phase, usize>);

impl Remaining {
    /// Over all phases.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing left");
        }
        for (index, (phase, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let name = match phase {
                Phase::Idle => "idle",
                Phase::Head => "sending a request head",
                Phase::Handler => "waiting for a response",
                Phase::Body => "receiving a response",
                Phase::Upload => "sending the rest of a request",
                Phase::Upgraded => "upgraded",
                Phase::Lingering => "answered for the last time",
            };
            write!(f, "{separator}{count} {name}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained { served, elapsed, dropped_pipelined: _ } => {
                let responses = if *served == 1 { "response" } else { "responses" };
                write!(f, "drained in {elapsed:.1?} after {served} {responses}")
            }
            Self::TimedOut(cut) => write!(f, "drain deadline passed with {cut}"),
            Self::Forced(cut) => write!(f, "drain cut short with {cut}"),
            Self::SupervisorFailed => f.write_str("the server had failed"),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} aborted, {} stuck", self.remaining, self.aborted, self.stuck)
    }
}
