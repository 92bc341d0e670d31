//! The tools, prompts and resources that the suite describes, under its names.

mod asking;
mod content;
mod forms;
mod prompts;
mod resources;
mod tasks;

use ostler_tools::{Change, Schema, Sessions, Tool, ToolContext, ToolResult, Tools};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// No arguments.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

/// Offers everything in `sessions`.
pub(crate) fn offer(sessions: &Sessions) {
    let tools = content::tools()
        .and(asking::tools())
        .and(forms::tools())
        .and(tasks::tools())
        .and(prompts::prompts())
        .and(resources::resources())
        .and(schemas())
        .and(changes(sessions));
    sessions.offer(tools);
}

fn schemas() -> Tools {
    let given = async |_: ToolContext, given: Value| -> ToolResult<String> { Ok(given.to_string()) };
    let schema = |schema: Value| -> Schema { schema.as_object().cloned().unwrap_or_default() };
    let keywords = schema(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": { "$anchor": "addressDef", "type": "object", "properties": {
            "street": { "type": "string" }, "city": { "type": "string" } } } },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" }
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false
    }));
    let repeated = schema(json!({
        "type": "object",
        "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
        "required": ["region"]
    }));
    Tools::new()
        .tool(
            Tool::raw("json_schema_2020_12_tool", keywords, given)
                .describe("Tool with JSON Schema 2020-12 features"),
        )
        .tool(
            Tool::raw("test_x_mcp_header", repeated, given)
                .describe("Has an argument that a header field repeats"),
        )
}

/// Tools that make it look as if a list had changed.
fn changes(sessions: &Sessions) -> Tools {
    let tool = |name: &str, change: Change| {
        let sessions = sessions.clone();
        let handler = move |_: ToolContext, _: Nothing| {
            sessions.announce(change.clone());
            async { ToolResult::Ok("announced".to_owned()) }
        };
        Tool::new(name, handler).describe("Announces that a list has changed")
    };
    Tools::new()
        .tool(tool("test_trigger_tool_change", Change::Tools))
        .tool(tool("test_trigger_prompt_change", Change::Prompts))
}
