//! `completion/complete`: suggestions while the user types.

use std::collections::HashMap;

use ostler_tools::{CallableKind, Tools};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Exchange, read};
use crate::error::RpcError;
use crate::reply::Answer;

#[derive(Deserialize)]
struct CompleteParams {
    r#ref: Reference,
    argument: Argument,
    #[serde(default)]
    context: Context,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    arguments: HashMap<String, String>,
}

pub(super) async fn complete(
    exchange: &Exchange,
    params: Option<&RawValue>,
    id: &RawValue,
) -> Result<Answer, RpcError> {
    let endpoint = &exchange.endpoint;
    let result = completed(&endpoint.sessions.tools(), params).await?;
    Ok(endpoint.results.value(id, "complete", &result))
}

/// The suggestions.
pub(crate) async fn completed(tools: &Tools, params: Option<&RawValue>) -> Result<Value, RpcError> {
    let params = params.ok_or_else(|| RpcError::malformed("there are no `params`"))?;
    let CompleteParams { r#ref, argument, context } = read(params)?;
    let (kind, name) = match r#ref {
        Reference::Prompt { name } => (CallableKind::Prompt, name),
        Reference::Resource { uri } => (CallableKind::Resource, uri),
    };
    let completion = tools.complete(kind, &name, &argument.name, argument.value, context.arguments).await;
    let completion = completion
        .ok_or_else(|| RpcError::invalid_params(format!("there is no {} `{name}`", kind.as_str())))?;
    let more = completion.total > completion.values.len();
    Ok(json!({
        "completion": { "values": completion.values, "total": completion.total, "hasMore": more }
    }))
}
