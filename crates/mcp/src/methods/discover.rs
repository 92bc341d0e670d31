//! `server/discover`: what the server is and can do
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/server/discover)).

use ostler_tools::{Resume, Tools};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Exchange;
use crate::PROTOCOL_VERSION;
use crate::meta::TASKS;
use crate::reply::Answer;

pub(super) fn discover(exchange: &Exchange, id: &RawValue) -> Answer {
    let endpoint = &exchange.endpoint;
    let mut capabilities = capabilities(&endpoint.sessions.tools());
    match endpoint.sessions.resume_by() {
        Resume::Journal => {
            capabilities.insert("extensions".into(), json!({ TASKS: {} }));
        }
        // A task is looked for by its id, and nothing is kept of it.
        Resume::Sealed => {}
    }
    let mut result = json!({
        "supportedVersions": [PROTOCOL_VERSION],
        "capabilities": capabilities,
        "ttlMs": millis(endpoint.config.list_ttl),
        "cacheScope": "public",
    });
    if let Some(instructions) = &endpoint.config.instructions {
        result["instructions"] = instructions.clone().into();
    }
    endpoint.results.value(id, "complete", &result)
}

/// What is offered, in the terms of all revisions.
pub(crate) fn capabilities(tools: &Tools) -> Map<String, Value> {
    let mut capabilities = Map::new();
    capabilities.insert("tools".into(), json!({ "listChanged": true }));
    if tools.prompts().next().is_some() {
        capabilities.insert("prompts".into(), json!({ "listChanged": true }));
    }
    if tools.resources().next().is_some() || tools.templates().next().is_some() {
        capabilities.insert("resources".into(), json!({ "listChanged": true, "subscribe": true }));
    }
    capabilities.insert("completions".into(), json!({}));
    capabilities.insert("logging".into(), json!({}));
    capabilities
}

/// Whole milliseconds.
pub(super) fn millis(duration: std::time::Duration) -> Value {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into()
}
