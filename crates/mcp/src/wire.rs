//! The message around a request ([JSON-RPC 2.0](https://www.jsonrpc.org/specification)), read without copying it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::RpcError;

/// A message as it is written.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<ErrorObject<'a>>,
}

/// What a client sends.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// It wants something, or tells something.
    Incoming(Incoming<'a>),
    /// It answers a request of the server's.
    Response(Response<'a>),
}

/// A request, or a notification if it has no id.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    /// A text or a number, as it was written.
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Option<&'a RawValue>,
}

/// A client's answer to a request of the server's.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) id: &'a RawValue,
    pub(crate) outcome: Result<&'a RawValue, ErrorObject<'a>>,
}

/// Why a client does not answer.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorObject<'a> {
    pub(crate) code: i64,
    #[serde(borrow, default)]
    pub(crate) message: Cow<'a, str>,
}

/// The longest id that is answered. It comes back in the response, so it must not be a way to be sent a lot.
const MAX_ID: usize = 1024;

/// Reads a message. The id goes with the error as far as it could be read.
pub(crate) fn read(body: &[u8]) -> Result<Message<'_>, (Option<&RawValue>, RpcError)> {
    let text = std::str::from_utf8(body).map_err(|error| (None, RpcError::parse(error.to_string())))?;
    let first = text.trim_start().bytes().next();
    if first == Some(b'[') {
        return Err((None, RpcError::invalid_request("there are no batches: one message a request")));
    }
    let message: Envelope<'_> = serde_json::from_str(text).map_err(|error| {
        let error = match error.classify() {
            serde_json::error::Category::Data => RpcError::invalid_request(error.to_string()),
            _ => RpcError::parse(error.to_string()),
        };
        (None, error)
    })?;
    let id = message.id.filter(|id| is_id(id));
    let refuse = |reason: &str| (id, RpcError::invalid_request(reason));
    if message.id.is_some() && id.is_none() {
        return Err(refuse("an id is a text or a number, and not longer than 1024 bytes"));
    }
    if message.jsonrpc.as_deref() != Some("2.0") {
        return Err(refuse("`jsonrpc` is not \"2.0\""));
    }
    let Envelope { method, params, result, error, .. } = message;
    let outcome = match (method, result, error) {
        (Some(method), None, None) => return Ok(Message::Incoming(Incoming { id, method, params })),
        (None, Some(result), None) => Ok(result),
        (None, None, Some(error)) => Err(error),
        (None, None, None) => {
            return Err(refuse("there is no `method`, and neither a `result` nor an `error`"));
        }
        (Some(_), _, _) | (None, Some(_), Some(_)) => {
            return Err(refuse("it is more than one of a request, a result and an error"));
        }
    };
    match id {
        Some(id) => Ok(Message::Response(Response { id, outcome })),
        None => Err(refuse("an answer has the id of what it answers")),
    }
}

/// Whether it is a text or a number that others can read, too: it comes back in the answer, and is kept with what goes on.
fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    let first = text.bytes().next();
    let plain = match first {
        Some(b'"') => !text.contains('\\'),
        Some(b'0'..=b'9') => text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    let readable = || matches!(serde_json::from_str(text), Ok(Value::String(_) | Value::Number(_)));
    text.len() <= MAX_ID && (plain || readable())
}
