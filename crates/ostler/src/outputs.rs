//! What the children wrote, by key, for as long as they live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_pool::{Generation, Key, Start};
use ostler_process::Logs;
use ostler_scope::Closed;

/// The output of every child, from before it is ready until it is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs(Arc<Mutex<HashMap<Key, (Generation, Logs)>>>);

impl Outputs {
    /// Keeps the output of a server until its scope has ended. A later one takes the place of an earlier one.
    pub(crate) fn keep(&self, start: &Start, logs: Logs) {
        self.lock().insert(start.key.clone(), (start.generation, logs));
    }

    /// Has the output of a server forgotten when its scope ends. To be called before there is any.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting.
    pub(crate) fn forget_at_the_end(&self, start: &Start) -> Result<(), Closed> {
        let (outputs, key, generation) = (self.clone(), start.key.clone(), start.generation);
        start.scope.ensure("output", async move |_| {
            let mut outputs = outputs.lock();
            if outputs.get(&key).is_some_and(|(kept, _)| *kept == generation) {
                outputs.remove(&key);
            }
            Ok::<_, Closed>(())
        })
    }

    /// The output of the child that serves `key` now, or is about to.
    pub(crate) fn of(&self, key: &str) -> Option<Logs> {
        self.lock().get(key).map(|(_, logs)| logs.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Generation, Logs)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
