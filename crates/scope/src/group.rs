//! Groups: members that come and go on their own and stop all at once.

use tokio_util::sync::CancellationToken;

use crate::{BoxError, Closed, Deadline, Name, Report, Scope, ScopeBuilder, Task};

/// An unordered set of tasks and scopes, such as connections or servers. Each is supervised: its failure is a value and
/// touches no other. They stop concurrently, under whatever time the owner has left.
#[derive(Clone, Debug)]
pub struct Group {
    scope: Scope,
}

impl Scope {
    /// Opens a group, which stops as one part of this scope when it is its turn.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting or has ended.
    pub fn group(&self, name: impl Into<Name>) -> Result<Group, Closed> {
        self.child(name).together().open().map(|scope| Group { scope })
    }
}

impl Group {
    /// Runs `future` as a member, as [`Scope::supervise`] does.
    ///
    /// # Errors
    /// [`Closed`] when the group is halting or has ended.
    pub fn spawn<T, E>(
        &self,
        name: impl Into<Name>,
        future: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Task<T>, Closed>
    where
        T: Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.scope.supervise(name, future)
    }

    /// A supervised scope as a member.
    pub fn scope(&self, name: impl Into<Name>) -> ScopeBuilder {
        self.scope.child(name).supervised()
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scope.inner.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fires when halting begins.
    #[must_use]
    pub fn halting(&self) -> &CancellationToken {
        self.scope.halting()
    }

    /// As [`Scope::halt`].
    pub fn halt(&self) -> impl Future<Output = Report> + Send + use<> {
        self.scope.halt()
    }

    /// As [`Scope::halt_by`].
    pub fn halt_by(&self, deadline: &Deadline) -> impl Future<Output = Report> + Send + use<> {
        self.scope.halt_by(deadline)
    }

    /// As [`Scope::ended`].
    pub fn ended(&self) -> impl Future<Output = Report> + Send + use<> {
        self.scope.ended()
    }
}
