//! Lists of what is offered. They are short enough to come in one piece, so a cursor is never given out.

use ostler_tools::Offered;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::discover::millis;
use super::{Exchange, Method, read};
use crate::error::RpcError;
use crate::reply::Answer;

#[derive(Deserialize)]
struct ListParams {
    cursor: Option<Value>,
}

pub(super) fn list(
    exchange: &Exchange,
    method: Method,
    params: Option<&RawValue>,
    id: &RawValue,
) -> Result<Answer, RpcError> {
    let params: ListParams = params.map(read).transpose()?.unwrap_or(ListParams { cursor: None });
    if params.cursor.is_some_and(|cursor| !cursor.is_null()) {
        return Err(RpcError::invalid_params("there is no page of that cursor"));
    }
    let endpoint = &exchange.endpoint;
    let tools = endpoint.sessions.tools();
    let definitions = |offered: &mut dyn Iterator<Item = &Offered>| -> Value {
        offered.map(|offered| offered.definition().clone()).collect()
    };
    let (member, listed) = match method {
        Method::PromptsList => ("prompts", definitions(&mut tools.prompts())),
        Method::ResourcesList => ("resources", definitions(&mut tools.resources())),
        Method::TemplatesList => ("resourceTemplates", definitions(&mut tools.templates())),
        _ => ("tools", definitions(&mut tools.tools())),
    };
    let result = json!({ member: listed, "ttlMs": millis(endpoint.config.list_ttl), "cacheScope": "public" });
    Ok(endpoint.results.value(id, "complete", &result))
}
