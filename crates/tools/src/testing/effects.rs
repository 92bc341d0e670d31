//! Which steps have run, and how often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How often each step has run, by name.
type Counts = Mutex<HashMap<Arc<str>, u32>>;

/// The steps that have run, where somebody counts them. A clone counts with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects(Option<Arc<Counts>>);

impl Effects {
    pub(super) fn counted() -> Self {
        Self(Some(Arc::default()))
    }

    /// A step's code begins to run.
    pub(crate) fn note(&self, name: &Arc<str>) {
        if let Some(counts) = &self.0 {
            *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(Arc::clone(name)).or_default() += 1;
        }
    }

    pub(super) fn count(&self, name: &str) -> u32 {
        let count =
            |counts: &Arc<Counts>| counts.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        self.0.as_ref().and_then(count).unwrap_or_default()
    }
}
