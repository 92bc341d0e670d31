//! Tools that the scenarios of the revisions with sessions call: forms of every kind, and one that takes its time.

use std::time::Duration;

use ostler_tools::{
    Elicited, Prompt, Resource, ResourceContents, Sampling, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nothing;

#[derive(Deserialize, JsonSchema)]
struct Question {
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    message: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct User {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
    Pending,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Person {
    name: String,
    age: i64,
    score: f64,
    status: Status,
    verified: bool,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Choices {
    #[schemars(extend("enum" = ["option1", "option2", "option3"]))]
    untitled_single: String,
    #[schemars(extend("oneOf" = [
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]))]
    titled_single: String,
    #[schemars(extend("enum" = ["opt1", "opt2", "opt3"], "enumNames" = ["Option One", "Option Two", "Option Three"]))]
    legacy_enum: String,
    #[schemars(extend("items" = { "type": "string", "enum": ["option1", "option2", "option3"] }))]
    untitled_multi: Vec<String>,
    #[schemars(extend("items" = { "anyOf": [
        { "const": "value1", "title": "First Choice" },
        { "const": "value2", "title": "Second Choice" },
        { "const": "value3", "title": "Third Choice" },
    ] }))]
    titled_multi: Vec<String>,
}

pub(super) fn tools() -> Tools {
    Tools::new()
        .tool(Tool::new("test_sampling", sampling).describe("Asks the client's model"))
        .tool(Tool::new("test_elicitation", elicitation).describe("Asks the user").elicits::<User>("user"))
        .tool(
            Tool::new("test_elicitation_sep1034_defaults", defaults)
                .describe("Asks by a form with defaults")
                .elicits::<Person>("person"),
        )
        .tool(
            Tool::new("test_elicitation_sep1330_enums", choices)
                .describe("Asks by a form with choices")
                .elicits::<Choices>("choices"),
        )
        .tool(
            Tool::new("test_elicitation_url", visit)
                .describe("Sends the user somewhere")
                .elicits_url("visit"),
        )
        .tool(Tool::new("test_reconnection", reconnection).describe("Takes longer than its stream is held"))
        .resource(
            Resource::new("test://watched-resource", "Watched", watched)
                .describe("A resource that may change")
                .mime_type("text/plain"),
        )
}

async fn sampling(ctx: ToolContext, question: Question) -> ToolResult<String> {
    let answer = ctx.sample("answer", Sampling::new(question.prompt).max_tokens(100)).await?;
    Ok(format!("LLM response: {}", answer.text()))
}

async fn elicitation(ctx: ToolContext, message: Message) -> ToolResult<String> {
    let user: Elicited<User> = ctx.elicit("user", Prompt::new(message.message)).await?;
    Ok(format!("User response: {}", told(&user)))
}

async fn defaults(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let prompt = Prompt::new("Who are you?")
        .default_value("name", "John Doe")
        .default_value("age", 30)
        .default_value("score", 95.5)
        .default_value("status", "active")
        .default_value("verified", true);
    let person: Elicited<Person> = ctx.elicit("person", prompt).await?;
    Ok(format!("Elicitation completed: {}", told(&person)))
}

async fn choices(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let choices: Elicited<Choices> = ctx.elicit("choices", Prompt::new("What shall it be?")).await?;
    Ok(format!("Elicitation completed: {}", told(&choices)))
}

fn told<T: Serialize>(elicited: &Elicited<T>) -> String {
    match elicited {
        Elicited::Accepted(content) => {
            format!("action=accept, content={}", serde_json::to_string(content).unwrap_or_default())
        }
        Elicited::Declined => "action=decline, content={}".into(),
        Elicited::Cancelled => "action=cancel, content={}".into(),
    }
}

async fn visit(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let visited = ctx.elicit_url("visit", "Please pay", "https://pay.example/1").await?;
    visited.required("visit")?;
    Ok("Paid.".into())
}

async fn reconnection(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let work = async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, std::convert::Infallible>(())
    };
    ctx.step("work", work).await?;
    Ok("The stream was ended, and the call was not.".into())
}

async fn watched(_: ToolContext) -> ToolResult<ResourceContents> {
    Ok(ResourceContents::text("test://watched-resource", "text/plain", "Nothing has happened yet."))
}
