//! Lengths of time: `"30s"`, `"1h 30m"`.

use std::time::Duration;

use humantime::DurationError;

use schemars::{Schema, json_schema};

use super::{Fault, Scalar};
use crate::document::Value;
use crate::words::quoted;

/// What a duration is written as. Narrower than what `humantime` reads in one thing: no months and years, whose `M`
/// is mistaken for a minute.
const PATTERN: &str = r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|msec|millis|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hrs|hour|hours|d|day|days|w|week|weeks)\s*)+$";

impl Scalar for Duration {
    fn expected() -> String {
        "a duration such as \"30s\" or \"10m\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = match value {
            Value::Text(text) | Value::Untyped(text) => text.trim(),
            Value::Integer(number) => {
                let help =
                    format!("name the unit: \"{number}s\" for seconds, \"{number}ms\" for milliseconds");
                return Err(Fault::new("this number has no unit").help(help));
            }
            Value::Float(_) | Value::Boolean(_) | Value::Date | Value::Array(_) | Value::Table(_) => {
                return Err(Fault::kind(value));
            }
        };
        if text.is_empty() {
            return Err(Fault::new("this is empty"));
        }
        if let Some(unit) = foreign_unit(text) {
            let help = match unit.strip_prefix('M') {
                Some(_) => "minutes are `m`; there are no months",
                None => "the units are `ms`, `s`, `m`, `h`, `d` and `w`",
            };
            return Err(Fault::new(format!("{} is not a unit of time", quoted(unit))).help(help));
        }
        humantime::parse_duration(text).map_err(|error| match error {
            DurationError::UnknownUnit { value, .. } => Fault::new("this number has no unit")
                .help(format!("name the unit: \"{value}s\" for seconds, \"{value}ms\" for milliseconds")),
            DurationError::NumberOverflow => Fault::new("this is too long"),
            DurationError::Empty | DurationError::InvalidCharacter(_) | DurationError::NumberExpected(_) => {
                Fault::new(format!("{} is not a duration", quoted(text)))
            }
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN })
    }

    fn magnitude(&self) -> Option<f64> {
        Some(self.as_secs_f64())
    }
}

/// The first unit in `text` that is none of ours.
fn foreign_unit(text: &str) -> Option<&str> {
    const UNITS: [&str; 24] = [
        "ms", "msec", "millis", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute",
        "minutes", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "w", "week", "weeks",
    ];
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    text.split(|c: char| !c.is_alphabetic()).find(|unit| !unit.is_empty() && !UNITS.contains(unit))
}
