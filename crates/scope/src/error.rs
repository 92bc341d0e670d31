//! What can go wrong in a scope, and where it did.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Any error a task, finalizer or body may return.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The scope is halting or has ended, so nothing was started in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scope is halting or has ended")]
pub struct Closed;

/// Why a task gave no value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TaskError {
    /// It was stopped before it finished, by itself or with its scope.
    #[error("halted")]
    Halted,
    /// It returned an error or panicked.
    #[error(transparent)]
    Failed(ScopeError),
}

/// A failure with the path of the task or finalizer it came from, and the failures that followed from it.
///
/// Displays as `path: cause`. Since the cause is part of that message, [`Error::source`] continues below the cause; get at
/// the cause itself with [`ScopeError::cause`] or [`ScopeError::downcast_ref`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ScopeError {
    /// One word, since every task's result has room for it.
    failure: Arc<Failure>,
}

#[derive(Clone, Debug)]
struct Failure {
    path: Arc<str>,
    cause: Cause,
    suppressed: Vec<ScopeError>,
}

/// What happened at the path of a [`ScopeError`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// The future or closure returned this error.
    #[error("{0}")]
    Error(Arc<dyn Error + Send + Sync>),
    /// It panicked with this message.
    #[error("panicked: {0}")]
    Panic(Arc<str>),
    /// A daemon ended although nobody had asked it to.
    #[error("daemon ended unasked")]
    DaemonEnded,
    /// It was stopped before it finished.
    #[error("halted")]
    Halted,
    /// It could not start, for its owner was already halting.
    #[error(transparent)]
    Closed(Closed),
}

// === impl ScopeError ===

impl ScopeError {
    pub(crate) fn new(path: String, cause: Cause) -> Self {
        Self { failure: Arc::new(Failure { path: path.into(), cause, suppressed: Vec::new() }) }
    }

    pub(crate) fn daemon_ended(path: String) -> Self {
        Self::new(path, Cause::DaemonEnded)
    }

    pub(crate) fn panicked(path: String, payload: &(dyn Any + Send)) -> Self {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(message), _) => message,
            (None, Some(message)) => message.as_str(),
            (None, None) => "with a value that is not a string",
        };
        Self::new(path, Cause::Panic(message.into()))
    }

    /// `error` as it came out of the future at `path`. One of our own keeps its path, which is the more precise one.
    pub(crate) fn from_error(path: impl FnOnce() -> String, error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        let error = match error.downcast::<TaskError>() {
            Ok(error) => match *error {
                TaskError::Failed(error) => return error,
                TaskError::Halted => return Self::new(path(), Cause::Halted),
            },
            Err(error) => error,
        };
        match error.downcast::<Closed>() {
            Ok(closed) => Self::new(path(), Cause::Closed(*closed)),
            Err(error) => Self::new(path(), Cause::Error(error.into())),
        }
    }

    /// Names from the root to the task, finalizer or scope that failed, joined by `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.failure.path
    }

    /// What happened there.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.failure.cause
    }

    /// The error that was returned there, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &self.failure.cause {
            Cause::Error(error) => error.downcast_ref(),
            Cause::Panic(_) | Cause::DaemonEnded | Cause::Halted | Cause::Closed(_) => None,
        }
    }

    /// Failures that came after this one while the scope was torn down, oldest first.
    #[must_use]
    pub fn suppressed(&self) -> &[Self] {
        &self.failure.suppressed
    }

    /// The first of `failures` with the others attached to it.
    pub(crate) fn primary(mut failures: Vec<Self>) -> Option<Self> {
        if failures.is_empty() {
            return None;
        }
        let suppressed = failures.split_off(1);
        failures.pop().map(|primary| primary.suppress(suppressed))
    }

    /// This error with `later` ones attached, except where they are itself, handed on by who awaited it.
    pub(crate) fn suppress(mut self, later: impl IntoIterator<Item = Self>) -> Self {
        let later: Vec<_> = later.into_iter().filter(|later| !later.is_same(&self)).collect();
        if !later.is_empty() {
            // Whoever awaits the task has the same error; it stays as it was there.
            Arc::make_mut(&mut self.failure).suppressed.extend(later);
        }
        self
    }

    /// Whether both tell of the same event: a task that awaited a failed sibling hands its error on.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.failure.path, &other.failure.path)
    }

    /// Whether it only says that something had been halted, as opposed to having gone wrong.
    pub(crate) fn is_from_halting(&self) -> bool {
        match &self.failure.cause {
            Cause::Halted | Cause::Closed(_) => true,
            Cause::Panic(_) | Cause::DaemonEnded => false,
            Cause::Error(error) => tells_of_halting(error.as_ref()),
        }
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { path, cause, suppressed } = &*self.failure;
        write!(f, "{path}: {cause}")?;
        match suppressed.len() {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl Error for ScopeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure.cause {
            Cause::Error(error) => error.source(),
            Cause::Panic(_) | Cause::DaemonEnded | Cause::Halted | Cause::Closed(_) => None,
        }
    }
}

/// Looks for our own "was halted" errors under those that a caller wrapped around them.
fn tells_of_halting(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<Closed>()
            || matches!(error.downcast_ref(), Some(TaskError::Halted))
            || error.downcast_ref().is_some_and(ScopeError::is_from_halting)
        {
            return true;
        }
        next = error.source();
    }
    false
}
