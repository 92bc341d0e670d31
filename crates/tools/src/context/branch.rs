//! Branches: parts of a tool with a path, a conversation and limits of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all, select_all};
use ostler_journal::Timestamp;

use super::ToolContext;
use crate::ToolResult;
use crate::error::ContextError;
use crate::sample::Message;

/// A part of a tool.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) path: Arc<str>,
    depth: u32,
    pub(crate) conversation: Arc<Mutex<Vec<Message>>>,
    limits: Limits,
}

/// The limits that hold in a branch: its own and those of the branches around it.
#[derive(Debug, Clone, Default)]
struct Limits {
    depth: Option<u32>,
    until: Option<Timestamp>,
    /// What is left, of this branch and of those around it.
    tokens: Vec<Arc<Mutex<u32>>>,
}

/// What a branch may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BranchLimits {
    /// How many branches deep it may branch itself.
    pub depth: Option<u32>,
    /// How many tokens it may ask models for, all samplings together.
    pub tokens: Option<u32>,
    /// How long it may ask.
    pub time: Option<Duration>,
    /// Whether its conversation begins with the one it branches off.
    pub inherit: bool,
}

impl Branch {
    pub(crate) fn root() -> Self {
        Self { path: Arc::from(""), depth: 0, conversation: Arc::default(), limits: Limits::default() }
    }

    fn messages(&self) -> std::sync::MutexGuard<'_, Vec<Message>> {
        self.conversation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ToolContext {
    /// A branch `name`: what is awaited in it is told apart from what is awaited beside it, so arms that run at the same time
    /// and ask by the same names need one each.
    ///
    /// # Errors
    /// [`ContextError::BranchLimit`] if this one may not branch so deep.
    pub fn branch(&self, name: &str, limits: BranchLimits) -> ToolResult<Self> {
        let parent = &self.branch;
        let (depth, path) = (parent.depth + 1, join(&parent.path, name));
        if parent.limits.depth.is_some_and(|most| depth > most) {
            return Err(ContextError::BranchLimit { branch: path, limit: "depth" }.into());
        }
        let until = limits.time.map(|time| self.now().after(time));
        let mut tokens = parent.limits.tokens.clone();
        tokens.extend(limits.tokens.map(|tokens| Arc::new(Mutex::new(tokens))));
        let limits_within = Limits {
            depth: match (limits.depth.map(|more| depth + more), parent.limits.depth) {
                (Some(own), Some(around)) => Some(own.min(around)),
                (own, around) => own.or(around),
            },
            until: match (until, parent.limits.until) {
                (Some(own), Some(around)) => Some(own.min(around)),
                (own, around) => own.or(around),
            },
            tokens,
        };
        let messages = if limits.inherit { parent.messages().clone() } else { Vec::new() };
        let conversation = Arc::new(Mutex::new(messages));
        let branch = Branch { path, depth, conversation, limits: limits_within };
        Ok(Self { core: Arc::clone(&self.core), branch })
    }

    /// Runs all `arms` at the same time, each in a branch of its own under `name`, and gives their outputs in order.
    ///
    /// # Errors
    /// See [`branch`](Self::branch).
    pub async fn join_all<A, F>(
        &self,
        name: &str,
        arms: impl IntoIterator<Item = A>,
    ) -> ToolResult<Vec<F::Output>>
    where
        A: FnOnce(Self) -> F,
        F: Future,
    {
        Ok(join_all(self.arms(name, arms)?).await)
    }

    /// Runs all `arms` at the same time, each in a branch of its own under `name`, and gives the place and the output of the
    /// one that ends first. The others end there: their questions are withdrawn, their steps cut off.
    ///
    /// # Errors
    /// See [`branch`](Self::branch).
    ///
    /// # Panics
    /// If there are no arms.
    pub async fn race<'a, A, T>(
        &self,
        name: &str,
        arms: impl IntoIterator<Item = A>,
    ) -> ToolResult<(usize, T)>
    where
        A: FnOnce(Self) -> BoxFuture<'a, T>,
    {
        let (output, index, _) = select_all(self.arms(name, arms)?).await;
        Ok((index, output))
    }

    fn arms<A, F>(&self, name: &str, arms: impl IntoIterator<Item = A>) -> ToolResult<Vec<F>>
    where
        A: FnOnce(Self) -> F,
    {
        arms.into_iter()
            .enumerate()
            .map(|(index, arm)| {
                Ok(arm(self.branch(
                    &format!("{name}.{index}"),
                    BranchLimits { inherit: true, ..Default::default() },
                )?))
            })
            .collect()
    }

    /// What was said so far in this branch's conversation, by [`converse`](Self::converse) and [`say`](Self::say).
    #[must_use]
    pub fn conversation(&self) -> Vec<Message> {
        self.branch.messages().clone()
    }

    /// Adds to this branch's conversation, without asking anybody.
    pub fn say(&self, message: Message) {
        self.branch.messages().push(message);
    }

    /// Takes `tokens` off what this branch and those around it may ask for.
    pub(super) fn spend(&self, tokens: u32) -> ToolResult<()> {
        let limits = &self.branch.limits;
        let reached = |limit| ContextError::BranchLimit { branch: Arc::clone(self.path()), limit };
        if limits.until.is_some_and(|until| self.now() > until) {
            return Err(reached("time").into());
        }
        let left = |budget: &Arc<Mutex<u32>>| *budget.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.tokens.iter().any(|budget| left(budget) < tokens) {
            return Err(reached("tokens").into());
        }
        for budget in &limits.tokens {
            *budget.lock().unwrap_or_else(PoisonError::into_inner) -= tokens;
        }
        Ok(())
    }
}

fn join(path: &str, name: &str) -> Arc<str> {
    if path.is_empty() { Arc::from(name) } else { format!("{path}/{name}").into() }
}
