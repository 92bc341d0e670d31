//! Which steps have run, and how often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task_local;

task_local! {
    static EFFECTS: Effects;
}

/// The steps that have run, by name. A clone counts with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Effects(Arc<Mutex<HashMap<Arc<str>, u32>>>);

impl Effects {
    /// Counts the steps that run in `work`.
    pub(super) async fn of<T>(&self, work: impl Future<Output = T>) -> T {
        EFFECTS.scope(self.clone(), work).await
    }

    pub(super) fn count(&self, name: &str) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
    }
}

/// A step's code begins to run.
pub(crate) fn note(name: &Arc<str>) {
    // Where nobody counts there is nothing to do.
    let _ = EFFECTS.try_with(|effects| {
        *effects.0.lock().unwrap_or_else(PoisonError::into_inner).entry(Arc::clone(name)).or_default() += 1;
    });
}
