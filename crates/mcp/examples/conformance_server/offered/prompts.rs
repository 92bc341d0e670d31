//! The prompts.

use ostler_tools::{
    Content, Prompt, PromptMessage, PromptOutput, PromptTemplate, ResourceContents, ToolContext, ToolResult,
    Tools,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Nothing;
use super::content::PNG;

#[derive(Deserialize, JsonSchema)]
struct Two {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    /// URI of the resource to embed
    resource_uri: String,
}

#[derive(Deserialize, JsonSchema)]
struct Background {
    context: String,
}

pub(super) fn prompts() -> Tools {
    let suggest = async |typed: String, _| {
        ["paris", "park", "party"]
            .into_iter()
            .filter(|city| city.starts_with(&typed))
            .map(Into::into)
            .collect()
    };
    Tools::new()
        .prompt(PromptTemplate::new("test_simple_prompt", simple).describe("A simple prompt"))
        .prompt(
            PromptTemplate::new("test_prompt_with_arguments", two)
                .describe("A prompt with arguments")
                .completes("arg1", suggest),
        )
        .prompt(
            PromptTemplate::new("test_prompt_with_embedded_resource", embedded).describe("Has a resource"),
        )
        .prompt(PromptTemplate::new("test_prompt_with_image", image).describe("Has a picture"))
        .prompt(
            PromptTemplate::new("test_input_required_result_prompt", asking)
                .describe("Asks first")
                .elicits::<Background>("user_context"),
        )
}

async fn simple(_: ToolContext, _: Nothing) -> ToolResult<PromptOutput> {
    Ok("This is a simple prompt for testing.".to_owned().into())
}

async fn two(_: ToolContext, two: Two) -> ToolResult<PromptOutput> {
    Ok(format!("Prompt with arguments: arg1='{}', arg2='{}'", two.arg1, two.arg2).into())
}

async fn embedded(_: ToolContext, embedded: Embedded) -> ToolResult<PromptOutput> {
    let text = "Embedded resource content for testing.";
    let resource = ResourceContents::text(embedded.resource_uri, "text/plain", text);
    let messages =
        [Content::resource(resource), Content::text("Please process the embedded resource above.")];
    Ok(messages.into_iter().map(PromptMessage::user).collect())
}

async fn image(_: ToolContext, _: Nothing) -> ToolResult<PromptOutput> {
    let messages = [Content::image(PNG, "image/png"), Content::text("Please analyze the image above.")];
    Ok(messages.into_iter().map(PromptMessage::user).collect())
}

async fn asking(ctx: ToolContext, _: Nothing) -> ToolResult<PromptOutput> {
    let prompt = Prompt::new("What context should the prompt use?");
    let background: Background = ctx.elicit("user_context", prompt).await?.required("user_context")?;
    Ok(format!("With this context: {}", background.context).into())
}
