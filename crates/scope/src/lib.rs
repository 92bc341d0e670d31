//! Supervision on tokio: every task, socket and child belongs to a scope and is gone when the scope is.

mod blocking;
mod builder;
mod channel;
mod combine;
mod context;
mod deadline;
mod entries;
mod entry;
mod error;
mod extent;
mod fanout;
mod finalizer;
mod group;
mod inner;
mod report;
mod scope;
mod signal;
mod task;
mod teardown;
mod tree;

pub use self::builder::ScopeBuilder;
pub use self::channel::{Channel, ChannelClosed};
pub use self::deadline::Deadline;
pub use self::entry::{Ending, Main, main};
pub use self::error::{BoxError, Cause, Closed, ScopeError, TaskError};
pub use self::fanout::{Lagged, Overflow, Subscriber};
pub use self::finalizer::Cleanup;
pub use self::group::Group;
pub use self::report::Report;
pub use self::scope::{Scope, ScopeHandle};
pub use self::signal::Signal;
pub use self::task::Task;
pub use self::tree::{Node, NodeKind, NodeState};

/// The name of a task, scope or finalizer: free of charge when it is a literal.
pub type Name = std::borrow::Cow<'static, str>;
