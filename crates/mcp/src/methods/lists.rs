//! Lists of what is offered. They are short enough to come in one piece, so a cursor is never given out.

use ostler_tools::{Offered, Tools};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::discover::millis;
use super::{Exchange, read};
use crate::error::RpcError;
use crate::reply::Answer;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    Tools,
    Prompts,
    Resources,
    Templates,
}

#[derive(Deserialize)]
struct ListParams {
    cursor: Option<Value>,
}

/// The answer of this revision, which says how long the list may be taken for true.
pub(super) fn list(
    exchange: &Exchange,
    listed: Listed,
    params: Option<&RawValue>,
    id: &RawValue,
) -> Result<Answer, RpcError> {
    let endpoint = &exchange.endpoint;
    let mut result = self::listed(&endpoint.sessions.tools(), listed, params)?;
    result["ttlMs"] = millis(endpoint.config.list_ttl);
    result["cacheScope"] = "public".into();
    Ok(endpoint.results.value(id, "complete", &result))
}

/// The list.
pub(crate) fn listed(tools: &Tools, listed: Listed, params: Option<&RawValue>) -> Result<Value, RpcError> {
    let params: ListParams = params.map(read).transpose()?.unwrap_or(ListParams { cursor: None });
    if params.cursor.is_some_and(|cursor| !cursor.is_null()) {
        return Err(RpcError::invalid_params("there is no page of that cursor"));
    }
    let definitions = |offered: &mut dyn Iterator<Item = &Offered>| -> Value {
        offered.map(|offered| offered.definition().clone()).collect()
    };
    Ok(match listed {
        Listed::Tools => json!({ "tools": definitions(&mut tools.tools()) }),
        Listed::Prompts => json!({ "prompts": definitions(&mut tools.prompts()) }),
        Listed::Resources => json!({ "resources": definitions(&mut tools.resources()) }),
        Listed::Templates => json!({ "resourceTemplates": definitions(&mut tools.templates()) }),
    })
}
