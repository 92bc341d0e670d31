//! What a pool holds: the two traits its user implements.

use std::fmt::{Debug, Display};

use ostler_scope::{BoxError, Deadline, Scope};

use crate::{Generation, Key, Policy};

/// Makes the servers of a pool.
pub trait Factory: Send + Sync + 'static {
    /// What it makes.
    type Resource: Resource;

    /// The bounds of the server of that key. Asked by callers on their own threads, for each call that finds no ready
    /// server, so it should only look something up.
    fn policy(&self, key: &Key) -> Policy;

    /// Starts the server, to be leased as soon as this returns.
    ///
    /// Everything it is made of (tasks, sockets, children) belongs into [`Start::scope`], which is halted when the
    /// server has to go, when this returns an error and when it does not return in time; then this future is dropped
    /// where it stands. A failure of the scope is the server's failure.
    fn start(&self, start: Start) -> impl Future<Output = Result<Self::Resource, BoxError>> + Send;
}

/// One server. The pool drops it before it says that the server has stopped.
pub trait Resource: Send + Sync + 'static {
    /// Where a server can be reached.
    type Address: Clone + Debug + Display + Send + Sync + 'static;

    /// Where this one can be reached. Asked once.
    fn address(&self) -> Self::Address;

    /// Resolves, with the reason, when the server has ended without being asked to. Called once.
    fn exited(&self) -> impl Future<Output = BoxError> + Send;

    /// Whether the server is well. Dropped where it stands when it takes longer than [`Policy::check_timeout`].
    fn check(&self) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Asks the server to finish, and resolves when it has. Called once nothing is leased any more, and dropped where
    /// it stands at the deadline; after it the scope is halted in any case.
    fn drain(&self, deadline: Deadline) -> impl Future<Output = ()> + Send;

    /// The child process behind it, if there is one.
    fn pid(&self) -> Option<u32> {
        None
    }
}

/// What a factory is given to start a server.
#[derive(Debug, Clone)]
pub struct Start {
    /// Which server is wanted.
    pub key: Key,
    /// Which one of that key.
    pub generation: Generation,
    /// The server's own scope. Its context has the pool.
    pub scope: Scope,
    /// When the server has to be ready. A factory that keeps it gets to say what it was waiting for; one that does not
    /// is dropped [`Policy::start_grace`] later.
    pub deadline: Deadline,
}
