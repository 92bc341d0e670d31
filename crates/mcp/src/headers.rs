//! Header fields that say again what the body says, for whoever routes by them; and must say the same
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports#standard-headers)).

use std::borrow::Cow;

use data_encoding::BASE64;
use hyper::HeaderMap;
use serde_json::Value;

use crate::error::RpcError;

/// The one value of a field, without the space around it; None if there is none.
fn value<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(RpcError::header_mismatch(format!("there are several {name}")));
    }
    match value.to_str() {
        Ok(value) => Ok(Some(value.trim_matches([' ', '\t']))),
        Err(_) => Err(RpcError::header_mismatch(format!("{name} is not text"))),
    }
}

/// Checks that the field `name` is there and says `expected`.
pub(crate) fn check(headers: &HeaderMap, name: &str, expected: &str) -> Result<(), RpcError> {
    match value(headers, name)? {
        None => Err(RpcError::header_mismatch(format!("{name} is missing, the body says `{expected}`"))),
        Some(found) if decode(name, found)? == expected => Ok(()),
        Some(found) => {
            Err(RpcError::header_mismatch(format!("{name} says `{found}`, the body says `{expected}`")))
        }
    }
}

/// Checks the fields that repeat arguments: `names` are those of the arguments and of the fields that repeat them.
pub(crate) fn check_parameters(
    headers: &HeaderMap,
    names: &[(String, String)],
    arguments: &Value,
) -> Result<(), RpcError> {
    for (argument, field) in names {
        let field = format!("mcp-param-{field}");
        match arguments.get(argument) {
            None | Some(Value::Null) => {
                if value(headers, &field)?.is_some() {
                    return Err(RpcError::header_mismatch(format!("{field} is there, the argument is not")));
                }
            }
            Some(Value::String(text)) => check(headers, &field, text)?,
            Some(other) => check(headers, &field, &other.to_string())?,
        }
    }
    Ok(())
}

/// A value that stands between `=?base64?` and `?=` is one that cannot stand in a field as it is.
fn decode<'v>(name: &str, value: &'v str) -> Result<Cow<'v, str>, RpcError> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|value| value.strip_suffix("?=")) else {
        return Ok(Cow::Borrowed(value));
    };
    let decoded = BASE64.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map(Cow::Owned).ok_or_else(|| RpcError::header_mismatch(format!("{name} is no base64 of a text")))
}

/// Which arguments of a tool are repeated in fields, and in which.
pub(crate) fn repeated(schema: &serde_json::Map<String, Value>) -> Vec<(String, String)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let repeated = |(name, property): (&String, &Value)| {
        let field = property.get("x-mcp-header")?.as_str()?;
        Some((name.clone(), field.to_ascii_lowercase()))
    };
    properties.into_iter().flatten().filter_map(repeated).collect()
}
