//! Child scopes whose beginning is a future in the caller's task: `run` and `resource`.

use crate::error::Cause;
use crate::{BoxError, Closed, Name, Scope, ScopeBuilder, ScopeError};

/// The body's hold on its scope. However the caller lets go of the body, by returning, failing, panicking or being
/// dropped, the scope halts, and it waits for the body to be gone.
pub(crate) struct Extent {
    scope: Scope,
    /// The scope outlives the body, which has succeeded.
    provided: bool,
}

impl Scope {
    /// Runs `body` in this task with a child scope that lasts as long as it does. What `body` started in that scope is gone
    /// when this returns.
    ///
    /// If something linked in it fails, `body` is dropped where it awaits, and the failure is returned here: it does not
    /// touch the scope outside. Cancel safe in that dropping the future halts the child scope.
    ///
    /// # Errors
    /// The failure of `body` or of what it started, whichever came first; [`Cause::Closed`] when this scope is halting or
    /// has ended; [`Cause::Halted`] when it begins to halt meanwhile.
    pub async fn run<T, E, Fut>(
        &self,
        name: impl Into<Name>,
        body: impl FnOnce(Scope) -> Fut,
    ) -> Result<T, ScopeError>
    where
        Fut: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let extent = self.extent(&name.into())?;
        let scope = extent.scope.clone();
        let ending = extent.live(body(scope.clone())).await.map(|result| result.map_err(Into::into));
        drop(extent);
        let later = scope.halt().await.error;
        match ending {
            Some(Ok(value)) => later.map_or(Ok(value), Err),
            Some(Err(error)) => Err(scope.first(Some(error), later)),
            None => Err(scope.first(None, later)),
        }
    }

    /// Runs `init` in this task with a new child scope, and once it succeeds leaves that scope open: what `init` started
    /// there serves the value until this scope halts.
    ///
    /// A failure before that is the caller's: the child scope is halted and the error returned. One after that fails this
    /// scope, as with any linked child. Cancel safe in that dropping the future halts the child scope.
    ///
    /// # Errors
    /// As for [`Scope::run`].
    pub async fn resource<T, E, Fut>(
        &self,
        name: impl Into<Name>,
        init: impl FnOnce(Scope) -> Fut,
    ) -> Result<T, ScopeError>
    where
        Fut: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        let mut extent = self.extent(&name.into())?;
        let scope = extent.scope.clone();
        let failure = match extent.live(init(scope.clone())).await {
            Some(Ok(value)) if scope.inner.provide() => {
                extent.provided = true;
                return Ok(value);
            }
            // Provided, but too late.
            Some(Ok(_)) | None => None,
            Some(Err(error)) => Some(error.into()),
        };
        drop(extent);
        let later = scope.halt().await.error;
        Err(scope.first(failure, later))
    }

    fn extent(&self, name: &Name) -> Result<Extent, ScopeError> {
        let closed = |closed: Closed| ScopeError::new(self.inner.path_of(name), Cause::Closed(closed));
        Extent::open(self.child(name.clone())).map_err(closed)
    }

    /// The body's own error, if it has one, with what came later attached.
    fn first(&self, error: Option<BoxError>, later: Option<ScopeError>) -> ScopeError {
        match (error, later) {
            (Some(error), later) => ScopeError::from_error(|| self.path(), error).suppress(later),
            (None, Some(later)) => later,
            (None, None) => ScopeError::new(self.path(), Cause::Halted),
        }
    }
}

// === impl Extent ===

impl Extent {
    pub(crate) fn open(scope: ScopeBuilder) -> Result<Self, Closed> {
        scope.with_body().open().map(|scope| Self { scope, provided: false })
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// `body` until the scope halts.
    pub(crate) async fn live<T>(&self, body: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.scope.halting().cancelled() => None,
            ending = body => Some(ending),
        }
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        if !self.provided {
            self.scope.inner.halt();
            self.scope.inner.release_body();
        }
    }
}
