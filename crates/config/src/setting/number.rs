//! Numbers and booleans.

use schemars::{Schema, json_schema};
use serde_json::json;

use super::{Fault, Scalar};
use crate::document::Value;

/// The whole number in `value`, which an environment variable holds as text.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Untyped(text) => text.trim().replace('_', "").parse().ok(),
        Value::Text(_) | Value::Float(_) | Value::Boolean(_) | Value::Date => None,
        Value::Array(_) | Value::Table(_) => None,
    }
}

/// What to say of a value that is no number, and how to write it if only its quotes are wrong.
fn no_number(value: &Value, text_is_right: impl Fn(&str) -> bool) -> Fault {
    match value {
        Value::Text(text) if text_is_right(text) => {
            Fault::kind(value).help(format!("write it without quotes: {text}"))
        }
        Value::Untyped(text) => Fault::new(format!("{} is not a number", crate::words::quoted(text))),
        other => Fault::kind(other),
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => {$(
        impl Scalar for $number {
            fn expected() -> String {
                "a whole number".to_owned()
            }

            fn parse(value: &Value) -> Result<Self, Fault> {
                let number = integer(value).ok_or_else(|| no_number(value, |text| text.parse::<Self>().is_ok()))?;
                Self::try_from(number).map_err(|_| {
                    Fault::new(if number < 0 { "this is negative" } else { "this is too large" })
                })
            }

            fn schema() -> Schema {
                json_schema!({ "type": "integer" })
            }
            fn magnitude(&self) -> Option<f64> {
                Some(*self as f64)
            }
            fn bound(schema: &mut Schema, low: f64, high: f64) {
                schema.insert("minimum".to_owned(), json!(low as i64));
                schema.insert("maximum".to_owned(), json!(high as i64));
            }
        }
    )*};
}

whole_number!(u16, u32, u64, usize);

impl Scalar for f64 {
    fn expected() -> String {
        "a number".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Untyped(text) => text.trim().parse().ok(),
            other => integer(other).map(|number| number as f64),
        };
        let number = number.ok_or_else(|| no_number(value, |text| text.parse::<f64>().is_ok()))?;
        if number.is_finite() { Ok(number) } else { Err(Fault::new("this is not a finite number")) }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "number" })
    }

    fn magnitude(&self) -> Option<f64> {
        Some(*self)
    }

    fn bound(schema: &mut Schema, low: f64, high: f64) {
        schema.insert("minimum".to_owned(), json!(low));
        schema.insert("maximum".to_owned(), json!(high));
    }
}

impl Scalar for bool {
    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::Boolean(value) => Ok(*value),
            Value::Untyped(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                other => Err(Fault::new(format!("{} is neither", crate::words::quoted(other)))),
            },
            Value::Text(text) if matches!(text.as_str(), "true" | "false") => {
                Err(Fault::kind(value).help(format!("write it without quotes: {text}")))
            }
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Date => Err(Fault::kind(value)),
            Value::Array(_) | Value::Table(_) => Err(Fault::kind(value)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}
