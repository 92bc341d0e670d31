//! One question before something that cannot be undone.

use ostler_tools::{Prompt, Tool, ToolContext, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;

/// What to delete.
#[derive(Debug, Deserialize, JsonSchema)]
struct File {
    /// The name of a file. Nothing is really deleted.
    name: String,
}

/// Whether it shall be deleted.
#[derive(Debug, Deserialize, JsonSchema)]
struct Confirmation {
    /// Delete it for good.
    sure: bool,
}

pub(super) fn tool() -> Tool {
    Tool::new("confirm_delete", confirm_delete)
        .title("Delete a file")
        .describe("Delete a file (not really), if the user confirms that")
        .destructive()
        .elicits::<Confirmation>("confirm")
}

async fn confirm_delete(ctx: ToolContext, file: File) -> ToolResult<String> {
    let name = &file.name;
    if !ctx.capabilities().elicit_form {
        return Ok(format!("{name} was not deleted: nobody can be asked whether it shall be"));
    }
    let confirmation = ctx.elicit::<Confirmation>("confirm", Prompt::new(format!("Delete {name}?"))).await?;
    if !confirmation.accepted().is_some_and(|confirmation| confirmation.sure) {
        return Ok(format!("{name} was not deleted"));
    }
    ctx.step("delete", || async { Ok::<_, String>(()) }).await?;
    Ok(format!("{name} was deleted (not really)"))
}
