//! Header names, paths and names of environment variables.

use std::fmt;
use std::path::PathBuf;

use http::HeaderName;
use schemars::{Schema, json_schema};

use super::{Fault, Scalar};
use crate::document::Value;
use crate::words::quoted;

/// Headers that belong to the connection or to HTTP itself.
const NOT_OURS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Scalar for HeaderName {
    fn expected() -> String {
        "the name of a header".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        let name: Self = match text {
            "" => return Err(Fault::new("this is empty")),
            _ => text.parse().map_err(|_| Fault::new(format!("{} is not one", quoted(text))))?,
        };
        match NOT_OURS.contains(&name.as_str()) {
            true => Err(Fault::new(format!("`{name}` has a meaning of its own in HTTP"))),
            false => Ok(name),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "examples": ["x-app-name"] })
    }
}

impl Scalar for PathBuf {
    fn expected() -> String {
        "a path".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        match value.text() {
            Some("") => Err(Fault::new("this is empty")),
            Some(text) if text.contains('\0') => Err(Fault::new("a path has no zero byte")),
            Some(text) => Ok(text.into()),
            None => Err(Fault::kind(value)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["./shop"] })
    }
}

/// The name of an environment variable that a configuration may set or pass on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(String);

impl VariableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks a name.
    pub(crate) fn new(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::new("this is empty"));
        }
        if let Some((name, value)) = text.split_once('=') {
            return Err(Fault::new("a name has no `=`")
                .help(format!("values belong into env: env = {{ {name} = \"{value}\" }}")));
        }
        if text.contains('\0') {
            return Err(Fault::new("a name has no zero byte"));
        }
        if matches!(text, "PORT" | "SOCKET") || text.starts_with("OSTLER_") {
            return Err(Fault::new(format!("Ostler sets {} itself", quoted(text))));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for VariableName {
    fn expected() -> String {
        "the name of an environment variable".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        Self::new(value.text().ok_or_else(|| Fault::kind(value))?)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^=]+$", "not": { "pattern": "^(PORT|SOCKET|OSTLER_.*)$" }, "examples": ["LANG"] })
    }
}
