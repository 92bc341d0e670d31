//! A configuration as a tree in which every key and value still knows where it was written.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a key or a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This range of bytes of the configuration file.
    File(Range<usize>),
    /// This variable of the environment.
    Variable {
        name: Arc<str>,
        /// What it is set to, if that is what is wrong, and not that it exists: a value may be a secret.
        value: Option<Arc<str>>,
    },
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// What a key is set to.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// What an environment variable holds: the key it overrides decides what it means.
    Untyped(String),
    /// Wide enough that a number too large for its key is still shown as it was written.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Date,
    Array(Vec<Node>),
    Table(Table),
}

/// Keys in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// One key of a table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Value {
    /// What this is, with its article: `a string`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Untyped(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Date => "a date or time",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Untyped(text) => Some(text),
            Self::Integer(_) | Self::Float(_) | Self::Boolean(_) | Self::Date => None,
            Self::Array(_) | Self::Table(_) => None,
        }
    }
}

impl Value {
    /// The same value in JSON; dates have none.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::Untyped(text) => text.as_str().into(),
            Self::Integer(number) => i64::try_from(*number).ok().into(),
            Self::Float(number) => (*number).into(),
            Self::Boolean(value) => (*value).into(),
            Self::Date => serde_json::Value::Null,
            Self::Array(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Table(table) => {
                table.entries.iter().map(|entry| (entry.key.clone(), entry.node.value.to_json())).collect()
            }
        }
    }
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    /// Reads a whole file.
    pub(crate) fn parse_file(text: &str) -> Result<Self, toml::de::Error> {
        let table = DeTable::parse(text)?;
        Ok(Self { place: Place::File(table.span()), value: Value::Table(table.into_inner().into()) })
    }

    /// Reads one value in TOML's notation; `place` is said to be that of all its parts.
    pub(crate) fn parse_value(text: &str, place: &Place) -> Result<Self, toml::de::Error> {
        let mut node = Self::from(DeValue::parse(text)?);
        node.move_to(place);
        Ok(node)
    }

    fn move_to(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.value {
            Value::Array(items) => items.iter_mut().for_each(|item| item.move_to(place)),
            Value::Table(table) => {
                for entry in &mut table.entries {
                    entry.key_place = place.clone();
                    entry.node.move_to(place);
                }
            }
            Value::Text(_) | Value::Untyped(_) | Value::Integer(_) | Value::Float(_) => {}
            Value::Boolean(_) | Value::Date => {}
        }
    }
}

impl From<Spanned<DeValue<'_>>> for Node {
    fn from(spanned: Spanned<DeValue<'_>>) -> Self {
        let place = Place::File(spanned.span());
        let value = match spanned.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let value = i128::from_str_radix(number.as_str(), number.radix());
                Value::Integer(value.unwrap_or(if number.as_str().starts_with('-') {
                    i128::MIN
                } else {
                    i128::MAX
                }))
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(items) => Value::Array(items.into_iter().map(Self::from).collect()),
            DeValue::Table(table) => Value::Table(table.into()),
        };
        Self { value, place }
    }
}

impl From<DeTable<'_>> for Table {
    fn from(table: DeTable<'_>) -> Self {
        let mut keyed: Vec<_> = table.into_iter().collect();
        keyed.sort_by_key(|(key, _)| key.span().start);
        let entries = keyed
            .into_iter()
            .map(|(key, value)| Entry {
                key_place: Place::File(key.span()),
                key: key.into_inner().into_owned(),
                node: value.into(),
            })
            .collect();
        Self { entries }
    }
}
