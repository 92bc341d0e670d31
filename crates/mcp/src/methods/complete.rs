//! `completion/complete`: suggestions while the user types.

use std::collections::HashMap;

use ostler_tools::CallableKind;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

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
    let params = params.ok_or_else(|| RpcError::malformed("there are no `params`"))?;
    let CompleteParams { r#ref, argument, context } = read(params)?;
    let (kind, name) = match r#ref {
        Reference::Prompt { name } => (CallableKind::Prompt, name),
        Reference::Resource { uri } => (CallableKind::Resource, uri),
    };
    let tools = exchange.endpoint.sessions.tools();
    let completion = tools.complete(kind, &name, &argument.name, argument.value, context.arguments).await;
    let completion = completion
        .ok_or_else(|| RpcError::invalid_params(format!("there is no {} `{name}`", kind.as_str())))?;
    let more = completion.total > completion.values.len();
    let result = json!({
        "completion": { "values": completion.values, "total": completion.total, "hasMore": more }
    });
    Ok(exchange.endpoint.results.value(id, "complete", &result))
}
