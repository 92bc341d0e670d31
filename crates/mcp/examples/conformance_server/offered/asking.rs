//! Tools that ask before they answer.

use futures::try_join;
use ostler_tools::{Elicited, Prompt, Sampling, Tool, ToolContext, ToolResult, Tools};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Nothing;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Name {
    pub(super) name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Color {
    color: String,
}

#[derive(Deserialize, JsonSchema)]
struct Agreement {
    ok: bool,
}

pub(super) fn tools() -> Tools {
    Tools::new()
        .tool(tool("test_input_required_result_elicitation", hello).elicits::<Name>("user_name"))
        .tool(tool("test_streaming_elicitation", hello).elicits::<Name>("user_name"))
        .tool(tool("test_input_required_result_sampling", capital))
        .tool(tool("test_input_required_result_list_roots", roots))
        .tool(tool("test_input_required_result_multiple_inputs", several).elicits::<Name>("user_name"))
        .tool(
            tool("test_input_required_result_multi_round", rounds)
                .elicits::<Name>("step1")
                .elicits::<Color>("step2"),
        )
        .tool(tool("test_input_required_result_request_state", confirm).elicits::<Agreement>("confirm"))
        .tool(tool("test_input_required_result_tampered_state", confirm).elicits::<Agreement>("confirm"))
        .tool(tool("test_input_required_result_capabilities", declared).elicits::<Name>("user_name"))
}

fn tool<F>(name: &str, handler: impl Fn(ToolContext, Nothing) -> F + Send + Sync + 'static) -> Tool
where
    F: Future<Output = ToolResult<String>> + Send + 'static,
{
    Tool::new(name, handler).describe("Asks before it answers")
}

async fn hello(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let name: Name =
        ctx.elicit("user_name", Prompt::new("What is your name?")).await?.required("user_name")?;
    Ok(format!("Hello, {}!", name.name))
}

async fn capital(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let question = Sampling::new("What is the capital of France?").max_tokens(100);
    Ok(ctx.sample("capital_question", question).await?.text())
}

async fn roots(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let roots: Vec<_> = ctx.roots().await?.into_iter().map(|root| root.uri).collect();
    Ok(format!("The client works in {}", roots.join(", ")))
}

async fn several(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let name = ctx.elicit::<Name>("user_name", Prompt::new("What is your name?"));
    let greeting = ctx.sample("greeting", Sampling::new("Generate a greeting").max_tokens(50));
    let (name, greeting, roots) = try_join!(name, greeting, ctx.roots())?;
    let name = name.required("user_name")?.name;
    Ok(format!("{} {name}, with {} roots", greeting.text(), roots.len()))
}

async fn rounds(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let name: Name =
        ctx.elicit("step1", Prompt::new("Step 1: What is your name?")).await?.required("step1")?;
    let prompt = Prompt::new("Step 2: What is your favorite color?");
    let color: Color = ctx.elicit("step2", prompt).await?.required("step2")?;
    Ok(format!("{} likes {}", name.name, color.color))
}

async fn confirm(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let agreement = ctx.elicit::<Agreement>("confirm", Prompt::new("Please confirm")).await?;
    Ok(match agreement {
        Elicited::Accepted(Agreement { ok: true }) => "state-ok, confirmed".into(),
        Elicited::Accepted(Agreement { ok: false }) | Elicited::Declined | Elicited::Cancelled => {
            "state-ok, not confirmed".into()
        }
    })
}

async fn declared(ctx: ToolContext, arguments: Nothing) -> ToolResult<String> {
    if ctx.capabilities().elicit_form { hello(ctx, arguments).await } else { capital(ctx, arguments).await }
}
