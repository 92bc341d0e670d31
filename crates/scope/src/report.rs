//! How a scope ended.

use std::time::Duration;

use crate::ScopeError;

/// How a scope ended: what failed, what did not stop in time, and how long the teardown took.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The first failure, with those that followed from it attached; `None` when all went well.
    pub error: Option<ScopeError>,
    /// Paths of what was still busy when its time to clean up was over: finalizers that were cut short, and tasks and
    /// threads that could not even be stopped and may still run.
    pub stuck: Vec<String>,
    /// From the beginning of halting to the end.
    pub elapsed: Duration,
}

impl Report {
    /// Whether nothing failed and nothing was stuck.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.error.is_none() && self.stuck.is_empty()
    }
}
