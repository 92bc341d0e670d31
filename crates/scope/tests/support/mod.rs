//! What the tests share: an order of events, futures that leave a trace, errors.

use std::sync::{Arc, Mutex};

use ostler_scope::{BoxError, Scope};

/// Events in the order they happened.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

/// Leaves its name in the trace when dropped: what a future does that is cancelled.
pub(crate) struct Mark(Trace, &'static str);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) &'static str);

impl Trace {
    pub(crate) fn note(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    pub(crate) fn mark(&self, event: &'static str) -> Mark {
        Mark(self.clone(), event)
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A task that never ends and leaves `event` when it is stopped.
    pub(crate) fn until_dropped(
        &self,
        event: &'static str,
    ) -> impl Future<Output = Result<(), BoxError>> + Send + use<> {
        let mark = self.mark(event);
        async move {
            let _mark = mark;
            std::future::pending().await
        }
    }

    /// Registers a finalizer that leaves its name.
    pub(crate) fn ensure(&self, scope: &Scope, name: &'static str) {
        let trace = self.clone();
        scope
            .ensure(name, move |_| async move {
                trace.note(name);
                Ok::<_, BoxError>(())
            })
            .unwrap();
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

pub(crate) fn root() -> Scope {
    Scope::root("main").open().unwrap()
}

/// Lets everything run that can run.
pub(crate) async fn settle() {
    // On a paused clock this returns only once nothing else is ready.
    tokio::time::sleep(std::time::Duration::from_nanos(1)).await;
}
