//! The last servers that failed, with everything that helps to find out why.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::view::FailureView;

/// How many are kept.
const KEPT: usize = 64;

/// The last failures.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Newest first, at most [`KEPT`].
    kept: Mutex<VecDeque<FailureView>>,
}

impl Failures {
    pub(super) fn push(&self, failure: FailureView) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front(failure);
    }

    /// All of them, or those under one key; newest first.
    pub(super) fn list(&self, key: Option<&str>) -> Vec<FailureView> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|failure| key.is_none_or(|key| failure.key == key)).cloned().collect()
    }
}
