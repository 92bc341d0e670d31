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
        /// From the request to drain to the last connection's end.
        elapsed: Duration,
    },
    /// The deadline passed with connections left. They were reset.
    TimedOut {
        /// What was left at the deadline.
        remaining: Remaining,
        /// How many of them ended when they were reset.
        aborted: usize,
        /// How many did not end even then: a handler that blocks its thread.
        stuck: usize,
    },
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
                Phase::Upgraded => "upgraded",
            };
            write!(f, "{separator}{count} {name}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained { served, elapsed } => {
                let responses = if *served == 1 { "response" } else { "responses" };
                write!(f, "drained in {elapsed:.1?} after {served} {responses}")
            }
            Self::TimedOut { remaining, aborted, stuck } => {
                write!(f, "drain deadline passed with {remaining}: {aborted} aborted, {stuck} stuck")
            }
        }
    }
}
