//! The scope itself: handles, halting and looking at it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;

use crate::inner::Inner;
use crate::{BoxError, Closed, Deadline, Name, Node, Report, ScopeBuilder, Task, tree};

/// An extent of time that owns what was started in it. When it halts, all of that is gone before the halt resolves.
///
/// A cheap handle: clones are the same scope, and the scope lives until it or its owner is halted, not until the last
/// handle is dropped. What it owns stops in reverse order of creation, one after another.
#[derive(Clone)]
pub struct Scope {
    pub(crate) inner: Arc<Inner>,
}

/// A handle for callbacks: starts things in a scope from anywhere without keeping a finished scope in memory.
#[derive(Clone)]
pub struct ScopeHandle {
    inner: Weak<Inner>,
}

// === impl Scope ===

impl Scope {
    /// A scope that nobody owns, to be opened in a tokio runtime. Whoever opens it must halt it; see also [`main`](crate::main).
    pub fn root(name: impl Into<Name>) -> ScopeBuilder {
        ScopeBuilder::new(name.into(), None)
    }

    /// A scope owned by this one and, unless made [`supervised`](ScopeBuilder::supervised), linked to it: when it fails,
    /// this one does, after the child's teardown.
    pub fn child(&self, name: impl Into<Name>) -> ScopeBuilder {
        ScopeBuilder::new(name.into(), Some(&self.inner))
    }

    /// Halts the scope and everything below it, within its own cleanup deadline.
    ///
    /// Halting begins with this call, polled or not, and cannot be lost: dropping the future only stops the waiting. It
    /// resolves once all is gone. Calling it again joins the halt under way; after the end it resolves at once.
    ///
    /// Awaited by a task or finalizer *of* this scope it waits for the one who waits: a task is aborted at that await, a
    /// finalizer uses up the deadline.
    pub fn halt(&self) -> impl Future<Output = Report> + Send + use<> {
        self.inner.halt();
        self.ended()
    }

    /// The same with a deadline from outside: the sooner of it and the scope's own budget counts. A halt under way is
    /// shortened to it.
    pub fn halt_by(&self, deadline: &Deadline) -> impl Future<Output = Report> + Send + use<> {
        self.inner.halt_by(deadline);
        self.ended()
    }

    /// Waits for the scope to end without asking it to. Cancel safe.
    pub fn ended(&self) -> impl Future<Output = Report> + Send + use<> {
        let inner = Arc::clone(&self.inner);
        async move { inner.ended.wait().await.clone() }
    }

    /// Fires when halting begins.
    #[must_use]
    pub fn halting(&self) -> &CancellationToken {
        &self.inner.halting
    }

    /// The value of type `T` set by the nearest scope from here up.
    #[must_use]
    pub fn context<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.inner.context.get()
    }

    /// A weak handle, for callbacks.
    #[must_use]
    pub fn handle(&self) -> ScopeHandle {
        ScopeHandle { inner: Arc::downgrade(&self.inner) }
    }

    /// What exists from here down.
    #[must_use]
    pub fn tree(&self) -> Node {
        tree::list(&self.inner)
    }

    /// The names from the root to here, such as `main/pool/shop.localhost`.
    #[must_use]
    pub fn path(&self) -> String {
        self.inner.path()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.path()).finish()
    }
}

// === impl ScopeHandle ===

impl ScopeHandle {
    /// The scope, unless it has ended and been forgotten. One that has ended may still be there: what is started in it
    /// is refused with [`Closed`].
    #[must_use]
    pub fn upgrade(&self) -> Option<Scope> {
        self.inner.upgrade().map(|inner| Scope { inner })
    }

    /// As [`Scope::spawn`].
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting, has ended or is gone.
    pub fn spawn<T, E>(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Task<T>, Closed>
    where
        T: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.upgrade().ok_or(Closed)?.spawn(name, future)
    }
}

impl fmt::Debug for ScopeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopeHandle").field(&self.upgrade().map(|scope| scope.path())).finish()
    }
}
