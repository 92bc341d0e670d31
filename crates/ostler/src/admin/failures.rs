//! The last servers that failed, with everything that helps to find out why.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::view::FailureView;

/// The last failures.
#[derive(Debug)]
pub(super) struct Failures {
    /// Newest first, at most `capacity`.
    kept: Mutex<VecDeque<FailureView>>,
    capacity: usize,
}

impl Failures {
    /// Keeps the last `capacity`, which is at least one.
    pub(super) fn new(capacity: usize) -> Self {
        Self { kept: Mutex::default(), capacity }
    }

    pub(super) fn push(&self, failure: FailureView) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(self.capacity.saturating_sub(1));
        kept.push_front(failure);
    }

    /// All of them, or those under one key; newest first.
    pub(super) fn list(&self, key: Option<&str>) -> Vec<FailureView> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|failure| key.is_none_or(|key| failure.key == key)).cloned().collect()
    }
}
