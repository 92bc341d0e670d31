//! The message around a request ([JSON-RPC 2.0](https://www.jsonrpc.org/specification)), read without copying it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::RpcError;

/// What a client sends.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// A request, or a notification if it has no id.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    /// A text or a number, as it was written.
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Option<&'a RawValue>,
}

/// The longest id that is answered. It comes back in the response, so it must not be a way to be sent a lot.
const MAX_ID: usize = 1024;

/// Reads a message. The id goes with the error as far as it could be read.
pub(crate) fn read(body: &[u8]) -> Result<Incoming<'_>, (Option<&RawValue>, RpcError)> {
    let text = std::str::from_utf8(body).map_err(|error| (None, RpcError::parse(error.to_string())))?;
    let first = text.trim_start().bytes().next();
    if first == Some(b'[') {
        return Err((None, RpcError::invalid_request("there are no batches: one message a request")));
    }
    let message: Message<'_> = serde_json::from_str(text).map_err(|error| {
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
    let Some(method) = message.method else {
        return Err(refuse("there is no `method`: responses are not taken here"));
    };
    Ok(Incoming { id, method, params: message.params })
}

fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    let first = text.bytes().next();
    text.len() <= MAX_ID && matches!(first, Some(b'"' | b'-' | b'0'..=b'9'))
}
