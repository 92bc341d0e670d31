//! Supervision on tokio: every task, socket and child belongs to a scope and is gone when the scope is.
//!
//! A [`Scope`] owns what is started in it: linked tasks, whose failure fails the scope; daemons, which must not end; supervised
//! tasks and [`Group`]s, whose failures are values; child scopes; threads; and finalizers, the asynchronous cleanup that
//! `Drop` cannot do. When it halts, these stop in reverse order of creation, within a [`Deadline`], and a [`Report`] says
//! what failed and what was stuck.
//!
//! ```
//! use ostler_scope::{BoxError, Scope, ScopeError, Signal};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let inn = Scope::root("inn").open().expect("a root opens");
//! let arrivals = Signal::new();
//! let mut guests = arrivals.subscribe(16);
//!
//! // A resource is there when this resumes, and served by its own scope until the inn closes.
//! let stable = inn.resource("stable", |scope| async move {
//!     scope.ensure("lock up", |_| async { Ok::<_, BoxError>(()) })?;
//!     scope.daemon("lantern", std::future::pending::<Result<(), BoxError>>())?;
//!     Ok::<_, BoxError>("six stalls")
//! });
//! assert_eq!(stable.await.unwrap(), "six stalls");
//! assert_eq!(inn.tree().paths(), ["inn", "inn/stable", "inn/stable/lock up", "inn/stable/lantern"]);
//!
//! // A failure in here halts its siblings, and is this caller's to handle.
//! let supper: Result<(), ScopeError> = inn.run("supper", |scope| async move {
//!     drop(scope.spawn("cook", async { Err::<(), _>("the stew burnt") })?);
//!     arrivals.emit("a traveller");
//!     std::future::pending::<Result<(), BoxError>>().await
//! }).await;
//! assert_eq!(supper.unwrap_err().to_string(), "inn/supper/cook: the stew burnt");
//!
//! assert!(inn.halt().await.is_clean());
//! assert_eq!(inn.tree().paths(), ["inn"]);
//! # use futures::StreamExt;
//! assert_eq!(guests.next().await, Some(Ok("a traveller")));
//! # }
//! ```
//!
//! What tokio has under its own name is used under that: `tokio::sync::mpsc` is the queue with single delivery, `oneshot` the
//! deferred value, `tokio::time` the clock that tests can pause, and `tokio_util::sync::CancellationToken` the abort signal.

#![forbid(unsafe_code)]

mod blocking;
mod builder;
mod channel;
mod combine;
mod context;
mod deadline;
mod entries;

mod error;
mod extent;
mod fanout;
mod finalizer;
mod group;
mod inner;
mod program;
mod report;
mod scope;
mod signal;
mod task;
mod teardown;
mod tree;

pub use self::builder::ScopeBuilder;
pub use self::channel::{Channel, ChannelClosed};
pub use self::deadline::Deadline;
pub use self::error::{BoxError, Cause, Closed, ScopeError, TaskError};
pub use self::fanout::{Lagged, Overflow, Subscriber};
pub use self::finalizer::Cleanup;
pub use self::group::Group;
pub use self::program::{Ending, Main, main};
pub use self::report::Report;
pub use self::scope::{Scope, ScopeHandle};
pub use self::signal::Signal;
pub use self::task::Task;
pub use self::tree::{Node, NodeKind, NodeState};

/// The name of a task, scope or finalizer: free of charge when it is a literal.
pub type Name = std::borrow::Cow<'static, str>;
