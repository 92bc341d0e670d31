//! The filter of the log.

use std::fmt;

use schemars::{Schema, json_schema};
use tracing_subscriber::EnvFilter;

use super::{Fault, Scalar};
use crate::document::Value;
use crate::words::{nearest, quoted};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter that `tracing_subscriber::EnvFilter` understands: `"info"`, `"info,ostler_pool=debug"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for LogFilter {
    fn expected() -> String {
        "a filter such as \"info\" or \"info,ostler_pool=debug\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        if text.is_empty() {
            return Err(Fault::new("this is empty").help("\"off\" says nothing at all"));
        }
        EnvFilter::builder().parse(text).map_err(|error| Fault::new(error.to_string()))?;
        match text.split(',').map(str::trim).find_map(mistaken_level) {
            Some((word, level)) => Err(Fault::new(format!("{} is no level", quoted(word)))
                .help(format!("did you mean \"{level}\"? The levels are {}", crate::words::one_of(&LEVELS)))),
            None => Ok(Self(text.to_owned())),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A misspelt level. The filter itself would take `inof` for the name of a module, and say all of it.
fn mistaken_level(directive: &str) -> Option<(&str, &str)> {
    let is_word = directive.chars().all(char::is_alphanumeric);
    let known = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive));
    if !is_word || known {
        return None;
    }
    nearest(directive, LEVELS).map(|level| (directive, level))
}
