//! The methods that are answered with one message.

use hyper::StatusCode;
use ostler_tools::{CallError, CallableKind, Capabilities, Failure, Json, LogLevel};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::Client;
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::methods::{complete, discover, failure_error, lists, read, refusal, tool_error};
use crate::reply::{self, Answer};

/// What may be called. As text, it is kept with sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CallKind {
    Tool,
    Prompt,
    Resource,
}

impl CallKind {
    /// What `method` calls, if it calls anything.
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "tools/call" => Some(Self::Tool),
            "prompts/get" => Some(Self::Prompt),
            "resources/read" => Some(Self::Resource),
            _ => None,
        }
    }

    /// By which it is called.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Tool => "tools/call",
            Self::Prompt => "prompts/get",
            Self::Resource => "resources/read",
        }
    }

    pub(super) const fn callable(self) -> CallableKind {
        match self {
            Self::Tool => CallableKind::Tool,
            Self::Prompt => CallableKind::Prompt,
            Self::Resource => CallableKind::Resource,
        }
    }
}

/// Answers a request that calls nothing.
pub(super) async fn answer(
    endpoint: &Endpoint,
    client: &Client,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Value, RpcError> {
    let tools = endpoint.sessions.tools();
    match method {
        "ping" => Ok(json!({})),
        "tools/list" => lists::listed(&tools, lists::Listed::Tools, params),
        "prompts/list" => lists::listed(&tools, lists::Listed::Prompts, params),
        "resources/list" => lists::listed(&tools, lists::Listed::Resources, params),
        "resources/templates/list" => lists::listed(&tools, lists::Listed::Templates, params),
        "completion/complete" => complete::completed(&tools, params).await,
        "logging/setLevel" => {
            let SetLevel { level } = required(params)?;
            endpoint
                .clients
                .set_level(client.id, level)
                .map_err(|error| RpcError::internal(error.to_string()))?;
            Ok(json!({}))
        }
        "resources/subscribe" => {
            let Subscribe { uri } = required(params)?;
            if !tools.offers(CallableKind::Resource, &uri) {
                return Err(unknown_resource(&uri));
            }
            endpoint
                .clients
                .subscribe(client.id, uri)
                .map_err(|error| RpcError::internal(error.to_string()))?;
            Ok(json!({}))
        }
        "resources/unsubscribe" => {
            let Subscribe { uri } = required(params)?;
            endpoint.clients.unsubscribe(client.id, &uri);
            Ok(json!({}))
        }
        "initialize" => Err(RpcError::invalid_request("this session has been initialized")),
        other => Err(RpcError::method_not_found(other)),
    }
}

#[derive(Deserialize)]
struct SetLevel {
    level: LogLevel,
}

#[derive(Deserialize)]
struct Subscribe {
    uri: String,
}

fn required<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, RpcError> {
    read(params.ok_or_else(|| RpcError::malformed("there are no `params`"))?)
}

/// What the server is and can do
/// ([specification](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization)).
pub(super) fn introduction(endpoint: &Endpoint, client: &Client) -> Value {
    let config = &endpoint.config;
    let mut result = json!({
        "protocolVersion": client.revision.name(),
        "capabilities": discover::capabilities(&endpoint.sessions.tools()),
        "serverInfo": { "name": config.name, "version": config.version },
    });
    if let Some(instructions) = &config.instructions {
        result["instructions"] = instructions.clone().into();
    }
    result
}

/// The response to `id` with a result.
pub(super) fn result(id: &RawValue, result: &Json) -> Answer {
    let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{}}}", id.get(), result.as_str());
    Answer::of(message)
}

/// The response to `id` with an error. A status would say something about the session, or the message.
pub(super) fn refused(id: &RawValue, error: RpcError) -> Answer {
    // What takes another token is said with the status for that.
    let status = if error.hint.is_some() { error.status } else { StatusCode::OK };
    reply::error(Some(id), &RpcError { status, ..known_to_clients(error) })
}

/// The response to a call that has no result.
pub(super) fn failed(id: &RawValue, kind: CallKind, failure: &Failure) -> Answer {
    match failure {
        Failure::Tool { message } if kind == CallKind::Tool => result(id, &Json::from(&tool_error(message))),
        other => refused(id, failure_error(other)),
    }
}

/// A call that was not begun.
pub(super) fn not_begun(error: &CallError) -> RpcError {
    match error {
        CallError::Unknown { what: "resource", name } => unknown_resource(name),
        other => refusal(other),
    }
}

fn unknown_resource(uri: &str) -> RpcError {
    let message = format!("there is no resource `{uri}`");
    RpcError { code: RESOURCE_NOT_FOUND, ..RpcError::invalid_params(message) }.with(json!({ "uri": uri }))
}

/// Of the revisions with sessions alone.
const RESOURCE_NOT_FOUND: i32 = -32002;

/// These revisions have no code of their own for what a client would have to declare.
fn known_to_clients(error: RpcError) -> RpcError {
    match error.code {
        -32021 => RpcError { code: -32602, ..error },
        _ => error,
    }
}

/// What a client of these revisions declares is what it is asked; tasks of the later revision are none of theirs.
pub(super) const fn declared(capabilities: Capabilities) -> Capabilities {
    Capabilities { tasks: false, ..capabilities }
}
