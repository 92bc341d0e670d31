//! Work that cannot be aborted: closures on the blocking pool and threads of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::entries::{Key, Part, Work};
use crate::task::EntryGuard;
use crate::{BoxError, Closed, Name, NodeKind, Scope, ScopeError, Task};

impl Scope {
    /// Runs `work` on the blocking pool, linked like [`Scope::spawn`]. It must return soon after its token is cancelled: work
    /// that overstays the deadline is named in [`Report::stuck`](crate::Report::stuck) and runs on, owned by nobody.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting or has ended; `work` is dropped without having run.
    pub fn spawn_blocking<T, E>(
        &self,
        name: impl Into<Name>,
        work: impl FnOnce(CancellationToken) -> Result<T, E> + Send + 'static,
    ) -> Result<Task<T>, Closed>
    where
        T: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let token = CancellationToken::new();
        let (key, mut entry) = self.enter(name.into(), NodeKind::Blocking, &token)?;
        let given = token.clone();
        let join = self.inner.runtime.spawn_blocking(move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(given)));
            entry.settle(result)
        });
        self.inner.attach(key, join.abort_handle());
        Ok(Task { join, token: Some(token) })
    }

    /// Runs `work` on an operating system thread of its own, as a daemon: if it returns before its token is cancelled the
    /// scope fails, as it does when the thread cannot be created. Overstaying is as for [`Scope::spawn_blocking`].
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting or has ended; `work` is dropped without having run.
    ///
    /// # Panics
    /// When `name` contains a null byte.
    pub fn thread<E>(
        &self,
        name: impl Into<Name>,
        work: impl FnOnce(CancellationToken) -> Result<(), E> + Send + 'static,
    ) -> Result<(), Closed>
    where
        E: Into<BoxError> + 'static,
    {
        let name = name.into();
        let token = CancellationToken::new();
        let thread = std::thread::Builder::new().name(name.to_string());
        let (key, mut entry) = self.enter(name, NodeKind::Thread, &token)?;
        let path = self.inner.entry_path(key);
        let started = thread.spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(token)));
            // Who awaits a task gets its error as a value; nobody awaits a thread, and its scope has it from the entry.
            let _ = entry.settle(result);
        });
        if let Err(error) = started {
            self.inner.fail(ScopeError::from_error(|| path, error.into()));
        }
        Ok(())
    }

    fn enter(
        &self,
        name: Name,
        kind: NodeKind,
        token: &CancellationToken,
    ) -> Result<(Key, EntryGuard), Closed> {
        let work = Work { name, kind, born: Instant::now(), abort: None, token: Some(token.clone()) };
        let key = self.inner.insert(|| Part::Work(work))?;
        Ok((key, EntryGuard::new(&self.inner, key, kind)))
    }
}
