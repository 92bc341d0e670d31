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

use crate::core::Core;
use crate::{Capabilities, Resume};

/// What a tool asks, waits and tells with. Whatever it awaits has to come from here, or stand in a [`step`](Self::step): only
/// that is in the journal, and only that can be gone through again when the process has ended in between.
///
/// A context can be cloned and moved to where it is needed; clones belong to the same branch.
///
/// # Before, client, after
///
/// A part of a tool's work may be the client's: what only a browser has, or only a person can do. Such a tool has three phases, which
/// are three awaits: a step prepares what the client needs, a question hands it over as its
/// [context](crate::Prompt::context) and waits for what the client makes of it, and a step does the rest. Each runs once, whatever
/// becomes of the process meanwhile; a client that does not know the context still shows the form.
///
/// ```
/// use ostler_tools::testing::Script;
/// use ostler_tools::{Call, Prompt, Tool, ToolContext, ToolResult, Tools};
/// # use schemars::JsonSchema;
/// # use serde::Deserialize;
/// # use serde_json::json;
/// # #[derive(Deserialize, JsonSchema)]
/// # struct Picture { url: String }
/// # #[derive(Deserialize, JsonSchema)]
/// # struct Crop { width: u32 }
/// # async fn fetch(url: &str) -> Result<Vec<u32>, String> { Ok(vec![640, 480]) }
/// # async fn store(crop: &Crop) -> Result<String, String> { Ok(format!("{} px", crop.width)) }
/// async fn crop(ctx: ToolContext, picture: Picture) -> ToolResult<String> {
///     let size = ctx.step("before", || fetch(&picture.url)).await?;
///     let prompt = Prompt::new("Which part of the picture?").context(&size);
///     let crop: Crop = ctx.elicit("client", prompt).await?.required("client")?;
///     ctx.step_once("after", || store(&crop)).await
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let tools = Tools::new().tool(Tool::new("crop", crop).elicits::<Crop>("client"));
/// # let call = Call::tool("crop", &json!({ "url": "a.png" }));
/// # let run = Script::new().accept("client", json!({ "width": 320 })).run(&tools, call).await;
/// # assert_eq!((run.text(), run.effects("before"), run.effects("after")), ("320 px".into(), 1, 1));
/// # assert_eq!(run.question("client")["params"]["_meta"]["dev.ostler/context"], json!([640, 480]));
/// # }
/// ```
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

    /// Whether there is no store, and the client carries the session: see
    /// [`Sessions::start_sealed`](crate::Sessions::start_sealed). The same as long as the session lasts, so code may take a way by it.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        match self.core.cell().beginning.resume {
            Resume::Journal => false,
            Resume::Sealed => true,
        }
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
