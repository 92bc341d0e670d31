//! Responses, put together from parts that are JSON already.

use hyper::StatusCode;
use ostler_tools::Json;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::EndpointConfig;
use crate::error::{Hint, RpcError};

/// What a request is answered with: a whole message, and the status if it goes out alone.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// What is said in the header.
    pub(crate) hint: Option<Hint>,
}

impl Answer {
    /// A message that says all there is to say.
    pub(crate) const fn of(message: String) -> Self {
        Self { status: StatusCode::OK, message, hint: None }
    }
}

/// The members that every result begins with.
#[derive(Debug)]
pub(crate) struct Results {
    /// `"_meta":{…},` of results that have none of their own.
    meta: String,
    server: Value,
}

/// The key under which the server names itself.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

impl Results {
    pub(crate) fn new(config: &EndpointConfig) -> Self {
        let server = json!({ "name": config.name, "version": config.version });
        let meta = format!("\"_meta\":{},", json!({ SERVER_INFO: server }));
        Self { meta, server }
    }

    /// The answer to `id` whose result is the object `result`, of the type `kind`.
    pub(crate) fn answer(&self, id: &RawValue, kind: &str, result: &str) -> Answer {
        let members = result.strip_prefix('{').unwrap_or("}");
        let mut message = String::with_capacity(result.len() + self.meta.len() + id.get().len() + 64);
        message.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
        message.push_str(id.get());
        message.push_str(",\"result\":{\"resultType\":\"");
        message.push_str(kind);
        message.push_str("\",");
        if members.contains("\"_meta\"") {
            self.push_merged(&mut message, result);
        } else {
            message.push_str(&self.meta);
            if members == "}" {
                message.pop();
            }
            message.push_str(members);
        }
        message.push('}');
        Answer::of(message)
    }

    pub(crate) fn complete(&self, id: &RawValue, result: &Json) -> Answer {
        self.answer(id, "complete", result.as_str())
    }

    pub(crate) fn value(&self, id: &RawValue, kind: &str, result: &Value) -> Answer {
        self.answer(id, kind, &result.to_string())
    }

    /// The members of a result that may have a `_meta` of its own.
    fn push_merged(&self, message: &mut String, result: &str) {
        let mut members: Value = serde_json::from_str(result).unwrap_or_default();
        match members.get_mut("_meta").and_then(Value::as_object_mut) {
            Some(meta) => {
                meta.insert(SERVER_INFO.into(), self.server.clone());
            }
            None => members["_meta"] = json!({ SERVER_INFO: self.server }),
        }
        message.push_str(members.to_string().strip_prefix('{').unwrap_or("}"));
    }
}

/// The answer to `id`, or to nothing that could be read, that is an error.
pub(crate) fn error(id: Option<&RawValue>, error: &RpcError) -> Answer {
    // The protocol's schema knows no id that is null.
    let id = id.map(|id| format!("\"id\":{},", id.get())).unwrap_or_default();
    let message = format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{}}}", error.to_value());
    Answer { status: error.status, message, hint: error.hint.clone() }
}

/// A notification.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(of: &str) -> Value {
        let results =
            Results::new(&EndpointConfig { name: "inn".into(), version: "1".into(), ..Default::default() });
        let id = RawValue::from_string("7".into()).unwrap();
        let message: Value = serde_json::from_str(&results.answer(&id, "complete", of).message).unwrap();
        message["result"].clone()
    }

    #[test]
    fn a_result_has_its_type_and_the_server_whatever_else_it_has() {
        let server = json!({ SERVER_INFO: { "name": "inn", "version": "1" } });
        assert_eq!(result("{}"), json!({ "resultType": "complete", "_meta": server }));
        assert_eq!(result(r#"{"a":1}"#), json!({ "resultType": "complete", "_meta": server, "a": 1 }));
        let own = result(r#"{"a":1,"_meta":{"mine":2}}"#);
        assert_eq!(own["_meta"]["mine"], 2);
        assert_eq!(own["_meta"][SERVER_INFO]["name"], "inn");
        // A text that only looks like it.
        assert_eq!(result(r#"{"a":"\"_meta\""}"#)["_meta"], server);
    }
}
