//! Tasks: futures that belong to a scope and leave its table when they are gone.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::entries::{Key, Part, Work};
use crate::inner::{Inner, Outcome};
use crate::{BoxError, Closed, Name, NodeKind, Scope, ScopeError, TaskError};

/// The result of a task to come. A future: awaiting it joins the task.
///
/// Dropping it neither stops the task nor loses it: the scope owns it. Awaiting is cancel safe.
#[must_use = "await the task, or drop it explicitly: its scope owns it either way"]
pub struct Task<T> {
    pub(crate) join: JoinHandle<Result<T, TaskError>>,
    /// For work that cannot be aborted: how it is asked to stop.
    pub(crate) token: Option<CancellationToken>,
}

pin_project_lite::pin_project! {
    /// A future with the entry that stands for it. The order of the fields matters: the entry outlives the future, so what
    /// is gone from the table is really gone.
    pub(crate) struct Owned<F> {
        #[pin]
        future: F,
        entry: EntryGuard,
    }
}

/// Removes the entry of a piece of work when dropped, telling its scope how it ended.
pub(crate) struct EntryGuard {
    scope: Arc<Inner>,
    key: Key,
    kind: NodeKind,
    outcome: Outcome,
}

// === impl Scope ===

impl Scope {
    /// Runs `future` as a task whose failure halts its siblings and fails this scope.
    ///
    /// It runs on the current runtime, or outside of one on that of the root.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting or has ended; the future is dropped without having been polled.
    pub fn spawn<T, E>(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Task<T>, Closed>
    where
        T: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        launch(&self.inner, name.into(), NodeKind::Task, future, |task| spawn_on(&self.inner.runtime, task))
    }

    /// The same for a future that must stay on this thread.
    ///
    /// # Errors
    /// [`Closed`] as for [`Scope::spawn`].
    ///
    /// # Panics
    /// Outside of a `tokio::task::LocalSet` or a local runtime.
    pub fn spawn_local<T, E>(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = Result<T, E>> + 'static,
    ) -> Result<Task<T>, Closed>
    where
        T: 'static,
        E: Into<BoxError> + 'static,
    {
        launch(&self.inner, name.into(), NodeKind::Task, future, tokio::task::spawn_local)
    }

    /// Runs `future` for as long as the scope is open: if it ends unasked, be it with success, the scope fails.
    ///
    /// # Errors
    /// [`Closed`] as for [`Scope::spawn`].
    pub fn daemon<E>(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<(), Closed>
    where
        E: Into<BoxError> + 'static,
    {
        let spawn = |task| spawn_on(&self.inner.runtime, task);
        launch(&self.inner, name.into(), NodeKind::Daemon, future, spawn).map(drop)
    }

    /// Runs `future` as a task whose failure is a value to whoever awaits the [`Task`], and nobody else's concern.
    ///
    /// # Errors
    /// [`Closed`] as for [`Scope::spawn`].
    pub fn supervise<T, E>(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Task<T>, Closed>
    where
        T: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        launch(&self.inner, name.into(), NodeKind::Supervised, future, |task| {
            spawn_on(&self.inner.runtime, task)
        })
    }
}

// === impl Task ===

impl<T> Task<T> {
    /// Stops the task, beginning at once, and resolves when it is gone: with its result if it had finished before, else
    /// with [`TaskError::Halted`]. That is no failure of the scope.
    pub fn halt(self) -> impl Future<Output = Result<T, TaskError>> {
        self.join.abort();
        self.token.as_ref().inspect(|token| token.cancel());
        self
    }

    /// Whether awaiting would return at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(Pin::new(&mut self.join).poll(cx));
        Poll::Ready(joined.unwrap_or_else(|lost| match lost.try_into_panic() {
            // Panics in a poll never get here. This is one in a destructor; its path is in the scope's own record.
            Ok(payload) => {
                Err(TaskError::Failed(ScopeError::panicked("a task being dropped".to_owned(), &*payload)))
            }
            Err(_) => Err(TaskError::Halted),
        }))
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.join.id()).field("finished", &self.is_finished()).finish()
    }
}

// === impl Owned ===

impl<F, T, E> Future for Owned<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let future = this.future;
        // The future is not touched again after a panic: completing drops it.
        let result = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => Ok(result),
            Err(payload) => Err(payload),
        };
        Poll::Ready(this.entry.settle(result))
    }
}

// === impl EntryGuard ===

impl EntryGuard {
    pub(crate) fn new(scope: &Arc<Inner>, key: Key, kind: NodeKind) -> Self {
        Self { scope: Arc::clone(scope), key, kind, outcome: Outcome::Halted }
    }

    /// Notes how the work ended, for the scope, and translates it, for who awaits the task.
    pub(crate) fn settle<T, E: Into<BoxError>>(
        &mut self,
        result: std::thread::Result<Result<T, E>>,
    ) -> Result<T, TaskError> {
        let path = || self.scope.entry_path(self.key);
        let error = match result {
            Ok(Ok(value)) => {
                self.outcome = Outcome::Done;
                return Ok(value);
            }
            Ok(Err(error)) => ScopeError::from_error(path, error.into()),
            Err(payload) => ScopeError::panicked(path(), &*payload),
        };
        self.outcome = Outcome::Failed(error.clone());
        Err(TaskError::Failed(error))
    }
}

impl Drop for EntryGuard {
    fn drop(&mut self) {
        let mut outcome = std::mem::replace(&mut self.outcome, Outcome::Halted);
        if std::thread::panicking() && !matches!(outcome, Outcome::Failed(_)) {
            // The future's destructor panicked; the runtime will swallow the payload.
            outcome = Outcome::Failed(ScopeError::panicked(
                self.scope.entry_path(self.key),
                &"while it was dropped",
            ));
        }
        self.scope.work_ended(self.key, self.kind, outcome);
    }
}

/// Enters work into the table, then starts it with `spawn`, then completes the entry with the means to abort it.
///
/// Not under one lock, since a runtime that is shutting down drops the task within `spawn`, which takes the lock again.
pub(crate) fn launch<F, T, E>(
    scope: &Arc<Inner>,
    name: Name,
    kind: NodeKind,
    future: F,
    spawn: impl FnOnce(Owned<F>) -> JoinHandle<Result<T, TaskError>>,
) -> Result<Task<T>, Closed>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    let born = Instant::now();
    let key = scope.insert(|| Part::Work(Work { name, kind, born, abort: None, token: None }))?;
    let join = spawn(Owned { future, entry: EntryGuard::new(scope, key, kind) });
    scope.attach(key, join.abort_handle());
    Ok(Task { join, token: None })
}

/// Spawns on the current runtime, or outside of one on `fallback`.
pub(crate) fn spawn_on<F>(fallback: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match Handle::try_current() {
        Ok(current) => current.spawn(task),
        Err(_) => fallback.spawn(task),
    }
}
