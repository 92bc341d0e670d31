//! The types a key can have: how each is read, bounded and described.

mod address;
mod choice;
mod duration;
mod filter;
mod limit;
mod list;
mod number;
mod text;

use schemars::{Schema, SchemaGenerator};

pub use address::TrustedProxy;
pub(crate) use choice::{choice, unknown_word};
pub use filter::LogFilter;
pub use limit::Limit;
pub use text::VariableName;

use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::report::Report;

/// A type that a key of a section can have.
pub(crate) trait Setting: Sized {
    /// What a right value is, with its article: `a whole number`.
    fn expected() -> String;

    /// Reads a value; what is wrong with it goes to the reader.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// Describes what `read` accepts.
    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// Its value when the key is absent and has no default.
    fn absent() -> Option<Self> {
        None
    }

    /// What bounds are compared with: a number, seconds, how many; `None` if nothing bounds this value.
    fn magnitude(&self) -> Option<f64> {
        None
    }

    /// Adds bounds to the schema.
    fn bound(_schema: &mut Schema, _low: f64, _high: f64) {}

    /// The magnitude that a declared bound stands for.
    fn limit(declared: &Node) -> Option<f64> {
        Self::read(declared, &mut Reader::new(&mut Report::default()))?.magnitude()
    }

    /// Says the bounds behind `expected`: ` from 1 to 100`.
    fn bounds(words: &str) -> String {
        let comma = if Self::expected().contains('"') { "," } else { "" };
        format!("{comma} from {words}")
    }

    /// Says that a value is out of its bounds.
    fn beyond(side: Side, bound: &str) -> String {
        match side {
            Side::Below => format!("this is less than {bound}"),
            Side::Above => format!("this is more than {bound}"),
        }
    }

    /// Whether it is a section.
    fn is_section() -> bool {
        false
    }

    /// Adds the paths of the keys that this value has when it is the key at `path`.
    fn keys(path: &str, into: &mut Vec<String>) {
        into.push(path.to_owned());
    }
}

/// A type that is written as one TOML value.
pub(crate) trait Scalar: Sized {
    /// What a right value is, with its article.
    fn expected() -> String;

    /// Reads the value.
    fn parse(value: &Value) -> Result<Self, Fault>;

    /// Describes what `parse` accepts.
    fn schema() -> Schema;

    /// See [`Setting::magnitude`].
    fn magnitude(&self) -> Option<f64> {
        None
    }

    /// See [`Setting::bound`].
    fn bound(_schema: &mut Schema, _low: f64, _high: f64) {}
}

/// On which side of its bounds a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Below,
    Above,
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong with what was written, for the caret.
    pub(crate) label: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
    /// Why the rule exists.
    pub(crate) note: Option<String>,
}

impl Fault {
    pub(crate) fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), help: None, note: None }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The value has another type than the key.
    pub(crate) fn kind(value: &Value) -> Self {
        Self::new(format!("this is {}", value.kind()))
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl<T: Scalar> Setting for T {
    fn expected() -> String {
        T::expected()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::parse(&node.value).map_err(|fault| reader.refuse(node, &T::expected(), fault)).ok()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }

    fn magnitude(&self) -> Option<f64> {
        self.magnitude()
    }

    fn bound(schema: &mut Schema, low: f64, high: f64) {
        T::bound(schema, low, high);
    }
}

impl<T: Setting> Setting for Option<T> {
    fn expected() -> String {
        T::expected()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(Some)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn limit(declared: &Node) -> Option<f64> {
        T::limit(declared)
    }

    fn bounds(words: &str) -> String {
        T::bounds(words)
    }

    fn beyond(side: Side, bound: &str) -> String {
        T::beyond(side, bound)
    }

    fn keys(path: &str, into: &mut Vec<String>) {
        T::keys(path, into);
    }

    fn magnitude(&self) -> Option<f64> {
        self.as_ref().and_then(T::magnitude)
    }

    fn bound(schema: &mut Schema, low: f64, high: f64) {
        T::bound(schema, low, high);
    }
}
