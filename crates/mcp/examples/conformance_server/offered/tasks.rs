//! Tools that become tasks.

use std::time::Duration;

use futures::try_join;
use ostler_tools::{Prompt, TaskPolicy, Tool, ToolContext, ToolError, ToolResult, Tools};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Nothing;
use super::asking::Name;

#[derive(Deserialize, JsonSchema)]
struct Computation {
    seconds: u64,
    label: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    filename: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    confirm: bool,
}

pub(super) fn tools() -> Tools {
    Tools::new()
        .tool(Tool::new("greet", greet).describe("Greets").tasks(TaskPolicy::Never))
        .tool(Tool::new("slow_compute", slow_compute).describe("Takes its time").tasks(TaskPolicy::Always))
        .tool(Tool::new("failing_job", failing_job).describe("Fails").tasks(TaskPolicy::Required))
        .tool(Tool::new("protocol_error_job", broken_job).describe("Breaks").tasks(TaskPolicy::Always))
        .tool(
            Tool::new("confirm_delete", confirm_delete)
                .describe("Asks, then deletes")
                .elicits::<Confirmation>("confirm")
                .tasks(TaskPolicy::Always),
        )
        .tool(
            Tool::new("multi_input", multi_input)
                .describe("Asks two things at once")
                .elicits::<Name>("name")
                .elicits::<Confirmation>("confirm")
                .tasks(TaskPolicy::Always),
        )
        .tool(
            Tool::new("test_tool_with_task", ask_then_work)
                .describe("Asks, then becomes a task")
                .elicits::<Name>("user_name")
                .tasks(TaskPolicy::RequiredOnceAnswered),
        )
}

async fn greet(_: ToolContext, name: Name) -> ToolResult<String> {
    Ok(format!("Hello, {}!", name.name))
}

async fn slow_compute(ctx: ToolContext, computation: Computation) -> ToolResult<String> {
    if computation.seconds > 0 {
        ctx.sleep("compute", Duration::from_secs(computation.seconds)).await?;
    }
    Ok(format!("computed {}", computation.label.unwrap_or_default()))
}

async fn failing_job(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    ctx.sleep("work", Duration::from_secs(1)).await?;
    Err(ToolError::new("the job has failed"))
}

async fn broken_job(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    ctx.sleep("work", Duration::from_millis(100)).await?;
    panic!("the job is broken")
}

async fn confirm_delete(ctx: ToolContext, file: File) -> ToolResult<String> {
    let prompt = Prompt::new(format!("Delete {}?", file.filename));
    let confirmation = ctx.elicit::<Confirmation>("confirm", prompt).await?.accepted();
    let deleted = confirmation.is_some_and(|confirmation| confirmation.confirm);
    Ok(format!("{} was {}deleted", file.filename, if deleted { "" } else { "not " }))
}

async fn multi_input(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let name = ctx.elicit::<Name>("name", Prompt::new("What is your name?"));
    let confirmation = ctx.elicit::<Confirmation>("confirm", Prompt::new("Really?"));
    let (name, confirmation) = try_join!(name, confirmation)?;
    let sure = confirmation.accepted().is_some_and(|confirmation| confirmation.confirm);
    Ok(format!("{} is {}sure", name.required("name")?.name, if sure { "" } else { "not " }))
}

async fn ask_then_work(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let name: Name =
        ctx.elicit("user_name", Prompt::new("What is your name?")).await?.required("user_name")?;
    ctx.sleep("work", Duration::from_millis(200)).await?;
    Ok(format!("worked for {}", name.name))
}
