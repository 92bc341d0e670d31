//! The least that a tool can do.

use ostler_tools::{TaskPolicy, Tool, ToolContext, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;

/// What to say.
#[derive(Debug, Deserialize, JsonSchema)]
struct Said {
    /// The text.
    text: String,
}

pub(super) fn tool() -> Tool {
    Tool::new("echo", echo)
        .title("Echo")
        .describe("Say the same")
        .read_only()
        .idempotent()
        .tasks(TaskPolicy::Never)
}

async fn echo(_: ToolContext, said: Said) -> ToolResult<String> {
    Ok(said.text)
}
