//! What a tool does everything through that it awaits.

mod ask;
mod branch;
mod notify;
mod step;
mod time;

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::WaitForCancellationFutureOwned;

use self::branch::Branch;
pub use self::branch::BranchLimits;
pub use self::notify::Progress;
pub use self::step::{StepKey, StepRun};

use crate::Capabilities;
use crate::core::Core;

/// What a tool asks, waits and tells with. Whatever it awaits has to come from here, or stand in a [`step`](Self::step): only
/// that is in the journal, and only that can be gone through again when the process has ended in between.
///
/// A context can be cloned and moved to where it is needed; clones belong to the same branch.
#[derive(Clone)]
pub struct ToolContext {
    core: Arc<Core>,
    branch: Branch,
}

impl ToolContext {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, branch: Branch::root() }
    }

    /// What the client of the present attempt answers; in a replay, what the client of then did. It may be another one after
    /// each question, so code that takes a way by it should do so right before it asks.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let present = self.core.cell().attempt.capabilities;
        self.record("capabilities", || present).unwrap_or(present)
    }

    /// Who called.
    #[must_use]
    pub fn principal(&self) -> Arc<str> {
        Arc::clone(&self.core.cell().attempt.principal)
    }

    /// Resolves when the session is cancelled. The tool is dropped soon after, so this is only for what it started outside.
    pub fn cancelled(&self) -> WaitForCancellationFutureOwned {
        self.core.cancellation().cancelled_owned()
    }

    fn path(&self) -> &Arc<str> {
        &self.branch.path
    }
}

impl fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolContext({} `{}`)", self.core.callable.id, self.branch.path)
    }
}
