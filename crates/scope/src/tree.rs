//! The live tree, for people and for tests that prove nothing is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Name;
use crate::entries::{Entry, Part};
use crate::inner::Inner;

/// One scope, task, thread or finalizer that exists right now.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its own name; the path is the names from the root joined by `/`.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// How far along it is.
    pub state: NodeState,
    /// Time since it was created.
    pub age: Duration,
    /// What it owns, in order of creation; always empty for tasks, threads and finalizers.
    pub children: Vec<Node>,
}

/// What a [`Node`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Children stop one after another, newest first.
    Scope,
    /// Members stop all at once.
    Group,
    /// Its failure fails the scope.
    Task,
    /// Its end fails the scope.
    Daemon,
    /// Its failure is a value to whoever awaits it.
    Supervised,
    /// A closure on the blocking pool.
    Blocking,
    /// An operating system thread.
    Thread,
    /// Cleanup that waits for the scope to halt.
    Finalizer,
}

/// How far along a [`Node`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Open, running, or for a finalizer: waiting for its turn.
    Live,
    /// Asked to stop, not gone yet.
    Halting,
    /// Gone; seen only at the top of a listing taken from a scope that has ended.
    Ended,
}

impl Node {
    /// The paths of this node and all below it, parents before children.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = vec![self.name.clone()];
        for child in &self.children {
            paths.extend(child.paths().iter().map(|path| format!("{}/{path}", self.name)));
        }
        paths
    }
}

/// Lists `scope` and what is below it. Each scope is locked for itself, so a listing of a busy tree is not one instant's.
pub(crate) fn list(scope: &Inner) -> Node {
    let (state, parts) = scope.parts();
    let children = parts
        .into_iter()
        .map(|part| match part {
            Listed::Leaf(node) => node,
            Listed::Scope(scope) => list(&scope),
        })
        .collect();
    let name = scope.name.to_string();
    Node { name, kind: scope.order.kind(), state, age: scope.opened.elapsed(), children }
}

/// What a scope tells about one of its entries under its lock.
pub(crate) enum Listed {
    Leaf(Node),
    Scope(Arc<Inner>),
}

impl Entry {
    pub(crate) fn list(&self) -> Listed {
        let leaf = |name: &Name, kind, born: Instant| {
            let state = if self.asked { NodeState::Halting } else { NodeState::Live };
            Listed::Leaf(Node {
                name: name.to_string(),
                kind,
                state,
                age: born.elapsed(),
                children: Vec::new(),
            })
        };
        match &self.part {
            Part::Work(work) => leaf(&work.name, work.kind, work.born),
            Part::Finalizer(name, born, _) => leaf(name, NodeKind::Finalizer, *born),
            Part::Scope(scope) => Listed::Scope(Arc::clone(scope)),
        }
    }
}
