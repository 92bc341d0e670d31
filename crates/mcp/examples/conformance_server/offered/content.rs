//! Tools that answer at once, or nearly.

use std::time::Duration;

use ostler_tools::{
    Content, LogLevel, Progress, ResourceContents, Sampling, Tool, ToolContext, ToolError, ToolOutput,
    ToolResult, Tools,
};

use super::Nothing;

/// A red pixel.
pub(super) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// Silence.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

pub(super) fn tools() -> Tools {
    Tools::new()
        .tool(Tool::new("test_simple_text", simple_text).describe("Text"))
        .tool(Tool::new("test_image_content", image).describe("A picture"))
        .tool(Tool::new("test_audio_content", audio).describe("Sound"))
        .tool(Tool::new("test_embedded_resource", embedded).describe("A resource"))
        .tool(Tool::new("test_multiple_content_types", mixed).describe("Several kinds of content"))
        .tool(Tool::new("test_error_handling", error).describe("Fails"))
        .tool(Tool::new("test_tool_with_progress", progress).describe("Tells how far it is"))
        .tool(Tool::new("test_tool_with_logging", logging).describe("Logs"))
        .tool(Tool::new("test_logging_tool", logging).describe("Logs"))
        .tool(Tool::new("test_missing_capability", sampling).describe("Needs the client's model"))
}

async fn simple_text(_: ToolContext, _: Nothing) -> ToolResult<String> {
    Ok("This is a simple text response for testing.".into())
}

async fn image(_: ToolContext, _: Nothing) -> ToolResult<ToolOutput> {
    Ok(ToolOutput::content([Content::image(PNG, "image/png")]))
}

async fn audio(_: ToolContext, _: Nothing) -> ToolResult<ToolOutput> {
    Ok(ToolOutput::content([Content::audio(WAV, "audio/wav")]))
}

async fn embedded(_: ToolContext, _: Nothing) -> ToolResult<ToolOutput> {
    let text = "This is an embedded resource content.";
    let resource = ResourceContents::text("test://embedded-resource", "text/plain", text);
    Ok(ToolOutput::content([Content::resource(resource)]))
}

async fn mixed(_: ToolContext, _: Nothing) -> ToolResult<ToolOutput> {
    let text = r#"{"test":"data","value":123}"#;
    let resource = ResourceContents::text("test://mixed-content-resource", "application/json", text);
    Ok(ToolOutput::content([
        Content::text("Multiple content types test:"),
        Content::image(PNG, "image/png"),
        Content::resource(resource),
    ]))
}

async fn error(_: ToolContext, _: Nothing) -> ToolResult<String> {
    Err(ToolError::new("This tool intentionally returns an error for testing"))
}

async fn progress(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    for at in [0.0, 50.0, 100.0] {
        ctx.progress(Progress::at(at).of(100.0)).await;
        ctx.sleep("work", Duration::from_millis(50)).await?;
    }
    Ok("done".into())
}

async fn logging(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    for text in ["started", "processing", "completed"] {
        ctx.log(LogLevel::Info, format!("Tool execution {text}")).await;
    }
    Ok("logged".into())
}

async fn sampling(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    Ok(ctx.sample("question", Sampling::new("Anything?")).await?.text())
}
