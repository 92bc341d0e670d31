//! What the children wrote, by key, for as long as they live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_pool::{Generation, Key, Start};
use ostler_process::Logs;
use ostler_scope::Closed;

/// The output of every child that has been ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs(Arc<Mutex<HashMap<Key, (Generation, Logs)>>>);

impl Outputs {
    /// Keeps the output of a server until its scope has ended.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting.
    pub(crate) fn keep(&self, start: &Start, logs: Logs) -> Result<(), Closed> {
        let (outputs, key, generation) = (self.clone(), start.key.clone(), start.generation);
        self.lock().insert(key.clone(), (generation, logs));
        let forget = move || {
            let mut outputs = outputs.lock();
            if outputs.get(&key).is_some_and(|(kept, _)| *kept == generation) {
                outputs.remove(&key);
            }
        };
        let at_the_end = forget.clone();
        start
            .scope
            .ensure("output", async move |_| {
                at_the_end();
                Ok::<_, Closed>(())
            })
            .inspect_err(|Closed| forget())
    }

    /// The output of the child that serves `key` now.
    pub(crate) fn of(&self, key: &str) -> Option<Logs> {
        self.lock().get(key).map(|(_, logs)| logs.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Generation, Logs)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
