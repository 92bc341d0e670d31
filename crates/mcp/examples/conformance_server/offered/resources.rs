//! The resources.

use ostler_tools::{Resource, ResourceContents, ToolContext, ToolResult, Tools};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::content::PNG;

#[derive(Deserialize, JsonSchema)]
struct Item {
    id: String,
}

pub(super) fn resources() -> Tools {
    Tools::new()
        .resource(
            Resource::new("test://static-text", "Static text", text)
                .describe("A resource of text")
                .mime_type("text/plain"),
        )
        .resource(
            Resource::new("test://static-binary", "Static binary", binary)
                .describe("A resource of bytes")
                .mime_type("image/png"),
        )
        .resource(
            Resource::template("test://template/{id}/data", "Data", data)
                .describe("A resource for each id")
                .mime_type("application/json"),
        )
}

async fn text(_: ToolContext) -> ToolResult<ResourceContents> {
    let text = "This is the content of the static text resource.";
    Ok(ResourceContents::text("test://static-text", "text/plain", text))
}

async fn binary(_: ToolContext) -> ToolResult<ResourceContents> {
    Ok(ResourceContents::blob("test://static-binary", "image/png", PNG))
}

async fn data(_: ToolContext, item: Item) -> ToolResult<ResourceContents> {
    let text = json!({ "id": item.id, "templateTest": true, "data": format!("Data for ID: {}", item.id) });
    Ok(ResourceContents::text(
        format!("test://template/{}/data", item.id),
        "application/json",
        text.to_string(),
    ))
}
