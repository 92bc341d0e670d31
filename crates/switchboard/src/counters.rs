//! What the switchboard counts, one set per worker thread so that counting is never contended.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use crate::Problem;

/// The first digit of a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusClass {
    /// 1xx: a switch of protocols.
    Informational,
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
}

/// A worker's counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    responses: [AtomicU64; StatusClass::ALL.len()],
    problems: [AtomicU64; Problem::NAMES.len()],
}

/// Sums over all workers since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Responses by the class of their status code, the switchboard's own included.
    pub responses: Vec<(StatusClass, u64)>,
    /// The switchboard's own answers by the [name](Problem::name) of their problem.
    pub problems: Vec<(&'static str, u64)>,
}

impl StatusClass {
    /// Every class, in order.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Success, Self::Redirection, Self::ClientError, Self::ServerError];

    /// As it is written in metrics: `2xx`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

impl Counters {
    pub(crate) fn response(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, StatusClass::ALL.len());
        count(&self.responses[class - 1]);
    }

    pub(crate) fn problem(&self, problem: Problem) {
        if let Some(index) = Problem::NAMES.iter().position(|name| *name == problem.name()) {
            count(&self.problems[index]);
        }
    }
}

/// Only the worker's own thread writes, so that no locked instruction is needed.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Counted {
    pub(crate) fn sum<'a>(workers: impl IntoIterator<Item = &'a Counters>) -> Self {
        let mut responses = StatusClass::ALL.map(|class| (class, 0));
        let mut problems = Problem::NAMES.map(|name| (name, 0));
        for worker in workers {
            for (sum, count) in responses.iter_mut().zip(&worker.responses) {
                sum.1 += count.load(Ordering::Relaxed);
            }
            for (sum, count) in problems.iter_mut().zip(&worker.problems) {
                sum.1 += count.load(Ordering::Relaxed);
            }
        }
        Self { responses: responses.to_vec(), problems: problems.to_vec() }
    }
}
