//! A limit that can be switched off by its own word.

use std::fmt;

use schemars::{Schema, json_schema};

use super::{Fault, Scalar};
use crate::document::Value;

/// A limit after which something happens, or `"never"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit<T> {
    /// It happens after this.
    After(T),
    /// It does not happen: `"never"`.
    Never,
}

impl<T> Limit<T> {
    /// The limit, `None` if there is none.
    pub fn value(self) -> Option<T> {
        match self {
            Self::After(value) => Some(value),
            Self::Never => None,
        }
    }
}

impl<T: fmt::Debug> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(value) => write!(f, "{value:?}"),
            Self::Never => f.write_str("never"),
        }
    }
}

impl<T: Scalar> Scalar for Limit<T> {
    fn expected() -> String {
        format!("{}, or \"never\"", T::expected())
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        match value.text() {
            Some("never") => Ok(Self::Never),
            Some("") => Err(Fault::new("this is empty")),
            Some("off" | "none" | "false" | "no" | "unlimited" | "infinite") => {
                Err(Fault::new("this switches nothing off").help("write \"never\""))
            }
            Some(_) | None => T::parse(value).map(Self::After),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [T::schema(), { "const": "never" }] })
    }

    fn magnitude(&self) -> Option<f64> {
        match self {
            Self::After(value) => value.magnitude(),
            Self::Never => None,
        }
    }

    fn bound(schema: &mut Schema, low: f64, high: f64) {
        let Some(first) = schema.pointer_mut("/anyOf/0") else { return };
        let Ok(mut inner) = Schema::try_from(first.take()) else { return };
        T::bound(&mut inner, low, high);
        *first = inner.to_value();
    }
}
