//! Asynchronous cleanup: registered while the scope is open, run when it halts.

use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;

use crate::entries::{Key, Part};
use crate::inner::Inner;
use crate::{BoxError, Closed, Deadline, Name, NodeKind, Scope, task, teardown};

/// What a finalizer is given to work with.
#[derive(Clone, Debug)]
pub struct Cleanup {
    /// Takes spawns although the owner is halting. What is spawned here is waited for, not aborted, until the deadline.
    pub scope: Scope,
    /// When the finalizer is cut short. It may be brought forward while it runs.
    pub deadline: Deadline,
}

type Run = Box<dyn FnOnce(Cleanup) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send>;

/// The closure until it is its turn, then nothing.
pub(crate) struct Finalizer(Option<Run>);

// === impl Finalizer ===

impl Finalizer {
    pub(crate) fn take(&mut self) -> Self {
        Self(self.0.take())
    }
}

// === impl Scope ===

impl Scope {
    /// Registers `finalizer` to run when this scope halts: after everything created later has gone, before anything created
    /// earlier is stopped. It has until [`Cleanup::deadline`], and at least the scope's grace period: from its start, and from
    /// when its deadline passes if that was brought forward meanwhile.
    ///
    /// An error or panic of it fails the scope, without keeping the other finalizers from running.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting or has ended; the finalizer is dropped without having run.
    pub fn ensure<F, Fut, E>(&self, name: impl Into<Name>, finalizer: F) -> Result<(), Closed>
    where
        F: FnOnce(Cleanup) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let name = name.into();
        let run: Run = Box::new(|cleanup| {
            let cleaning = finalizer(cleanup);
            Box::pin(async { cleaning.await.map_err(Into::into) })
        });
        self.inner.insert(|| Part::Finalizer(name, Instant::now(), Finalizer(Some(run)))).map(drop)
    }
}

/// Runs the finalizer that was registered under `key` in a scope of its own, which takes that entry's place.
pub(crate) fn run(owner: &Arc<Inner>, key: Key, name: Name, finalizer: Finalizer, deadline: &Deadline) {
    let Finalizer(Some(run)) = finalizer else { return };
    let Some(inner) = owner.open_cleanup(key, name) else { return };
    let cleanup = Cleanup { scope: Scope { inner: Arc::clone(&inner) }, deadline: deadline.clone() };
    let runtime = inner.runtime.clone();
    let cleaning = async move { run(cleanup).await };
    // The scope was made a moment ago and nobody else knows it: it cannot be closed.
    let _ = task::launch(&inner, "".into(), NodeKind::Task, cleaning, |task| runtime.spawn(task));
    teardown::start_joining(inner, deadline.clone());
}
