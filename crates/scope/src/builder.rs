//! How a scope is made.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use crate::context::{Context, Value};
use crate::inner::{Blueprint, Inner, Limits, Link, Order};
use crate::{Closed, Name, Scope};

/// What a root starts with; everything below inherits it.
const DEFAULT_LIMITS: Limits = Limits { cleanup: Duration::from_secs(10), grace: Duration::from_millis(100) };

/// A scope to be. From [`Scope::root`], [`Scope::child`] or [`Group::scope`](crate::Group::scope).
#[must_use = "nothing happens before `open`"]
pub struct ScopeBuilder {
    name: Name,
    /// `None` makes a root.
    owner: Option<Arc<Inner>>,
    order: Order,
    link: Link,
    limits: Limits,
    /// In front of what the owner has.
    values: Vec<Value>,
    body: bool,
}

impl ScopeBuilder {
    pub(crate) fn new(name: Name, owner: Option<&Arc<Inner>>) -> Self {
        Self {
            name,
            limits: owner.map_or(DEFAULT_LIMITS, |owner| owner.limits),
            owner: owner.cloned(),
            order: Order::Reverse,
            link: Link::Linked,
            values: Vec::new(),
            body: false,
        }
    }

    /// Sets the value of type `T` that this scope and those below it see. A scope further down may set its own.
    pub fn context<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.values.push((TypeId::of::<T>(), Arc::new(value)));
        self
    }

    /// How long teardown may take; when the owner is halting too, the owner's remaining time if that is less. Default: the
    /// owner's, which for a root is 10 s.
    pub fn cleanup_deadline(mut self, budget: Duration) -> Self {
        self.limits.cleanup = budget;
        self
    }

    /// How long a task that was aborted at the deadline may take to be gone before it counts as stuck, and the least
    /// time a finalizer gets even when its turn comes after the deadline. Default: the owner's, which for a root is 100 ms.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limits.grace = grace;
        self
    }

    /// Keeps a failure to this scope's report, instead of failing the owner with it.
    pub fn supervised(mut self) -> Self {
        self.link = Link::Supervised;
        self
    }

    pub(crate) fn together(mut self) -> Self {
        self.order = Order::Together;
        self
    }

    /// Teardown waits for a body that runs in the caller's task.
    pub(crate) fn with_body(mut self) -> Self {
        self.body = true;
        self.supervised()
    }

    /// Opens the scope. It lives until it or its owner is halted, not until it is dropped.
    ///
    /// # Errors
    /// [`Closed`] when the owner is halting or has ended; never for a root.
    ///
    /// # Panics
    /// For a root, outside of a tokio runtime: that runtime is the one that teardown runs on.
    pub fn open(self) -> Result<Scope, Closed> {
        let outer = self.owner.as_ref().map_or_else(Context::default, |owner| owner.context.clone());
        let plan = Blueprint {
            name: self.name,
            order: self.order,
            link: self.link,
            limits: self.limits,
            context: outer.extend(self.values),
            body: self.body,
        };
        let inner = match self.owner {
            Some(owner) => owner.open_child(plan)?,
            None => Inner::root(plan),
        };
        Ok(Scope { inner })
    }
}
