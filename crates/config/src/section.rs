//! Sections: one declaration of a section's keys is its Rust type, its reader, its defaults and its schema.

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use crate::document::{Node, Place, Table};
use crate::reader::{Reader, below};
use crate::report::Report;
use crate::setting::Setting;
use crate::words::prose;

/// One key of a section, as it was declared.
pub(crate) struct Field {
    pub(crate) key: &'static str,
    /// The lines of its doc comment.
    pub(crate) about: &'static [&'static str],
    /// In TOML's notation.
    pub(crate) default: Option<&'static str>,
    pub(crate) bounds: Option<Bounds>,
}

/// The least and the greatest right value, in TOML's notation.
pub(crate) struct Bounds {
    pub(crate) low: &'static str,
    pub(crate) high: &'static str,
    /// Why they are where they are, for the error.
    pub(crate) why: Option<&'static str>,
}

/// A table with known keys. Implemented by [`section!`].
pub(crate) trait Section: Sized {
    /// Asks the visitor for each key in turn.
    fn visit<V: Visitor>(visitor: &mut V) -> Self;
}

/// What is done with the keys of a section.
pub(crate) trait Visitor {
    /// The value of this key.
    fn field<T: Setting>(&mut self, field: &Field) -> T;
}

/// Declares a section.
///
/// ```text
/// section! {
///     /// What it is about.
///     pub struct Pool {
///         /// What the key does.
///         max_servers: usize = 100, from 1 to 100_000 because "why not fewer";
///         /// A key without a default has a type that can be absent.
///         workers: Option<usize>, from 1 to 1024;
///     }
/// }
/// ```
/// Defaults and bounds are written as in a configuration file, so that they are what a user would write.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty
                    $(= $default:tt)?
                    $(, from $low:tt to $high:tt $(because $why:literal)?)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $(
                $(#[doc = $doc])*
                $(#[doc = concat!("\n\nDefault: `", stringify!($default), "`.")])?
                $(#[doc = concat!("\n\nFrom `", stringify!($low), "` to `", stringify!($high), "`.")])?
                $vis $key: $type,
            )*
        }

        impl $crate::section::Section for $name {
            fn visit<V: $crate::section::Visitor>(visitor: &mut V) -> Self {
                Self {$(
                    $key: visitor.field(&$crate::section::Field {
                        key: stringify!($key),
                        about: &[$($doc),*],
                        default: [$(stringify!($default))?].first().copied(),
                        bounds: [$($crate::section::Bounds {
                            low: stringify!($low),
                            high: stringify!($high),
                            why: [$($why)?].first().copied(),
                        })?].into_iter().next(),
                    }),
                )*}
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $crate::section::Section::visit(&mut $crate::section::Defaults)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::section::schema::<Self>(generator, &[$($about),*])
            }
        }

        impl $crate::setting::Setting for $name {
            fn expected() -> String {
                "a table".to_owned()
            }

            fn read(
                node: &$crate::document::Node,
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                reader.section(node)
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }

            fn is_section() -> bool {
                true
            }

            fn absent() -> Option<Self> {
                Some(Self::default())
            }

            fn keys(path: &str, into: &mut Vec<String>) {
                $crate::section::keys_of::<Self>(path, into);
            }
        }
    };
}

pub(crate) use section;

impl Bounds {
    pub(crate) fn words(&self) -> String {
        format!("{} to {}", self.low.replace('_', ""), self.high.replace('_', ""))
    }

    /// What magnitudes are compared with.
    pub(crate) fn limits<T: Setting>(&self) -> (f64, f64) {
        let limit = |text| T::limit(&declared(text)).expect("declared bounds are values of their key's type");
        (limit(self.low), limit(self.high))
    }
}

/// Reads a section out of a table.
pub(crate) struct TableReader<'a, 'r> {
    pub(crate) table: &'a Table,
    pub(crate) reader: &'a mut Reader<'r>,
    /// The keys asked for so far; what else the table has is unknown.
    pub(crate) known: Vec<&'static str>,
}

impl Visitor for TableReader<'_, '_> {
    fn field<T: Setting>(&mut self, field: &Field) -> T {
        self.known.push(field.key);
        let bounds = field.bounds.as_ref();
        self.table
            .get(field.key)
            .and_then(|entry| self.reader.entry(entry, |node, reader| reader.bounded(node, bounds)))
            .unwrap_or_else(|| default(field))
    }
}

/// Gives every key its default.
pub(crate) struct Defaults;

impl Visitor for Defaults {
    fn field<T: Setting>(&mut self, field: &Field) -> T {
        default(field)
    }
}

fn default<T: Setting>(field: &Field) -> T {
    let value = match field.default {
        Some(text) => T::read(&declared(text), &mut Reader::new(&mut Report::default())),
        None => T::absent(),
    };
    value.expect("a declared default is right, and a key without one can be absent: every test that reads a file sees it")
}

/// A value out of a declaration.
fn declared(text: &str) -> Node {
    Node::parse_value(text, &Place::File(0..0)).expect("declarations are written in TOML's notation")
}

/// Lists the paths of keys.
struct Keys<'a> {
    path: &'a str,
    into: &'a mut Vec<String>,
}

impl Visitor for Keys<'_> {
    fn field<T: Setting>(&mut self, field: &Field) -> T {
        let path = below(self.path, field.key);
        T::keys(&path, self.into);
        default(field)
    }
}

/// The paths of all keys of a configuration, `server.host` for that of every server.
pub(crate) fn keys() -> &'static [String] {
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut keys = Vec::new();
        keys_of::<crate::config::Document>("", &mut keys);
        keys
    });
    &KEYS
}

/// Adds the path of every key of a section.
pub(crate) fn keys_of<S: Section>(path: &str, into: &mut Vec<String>) {
    S::visit(&mut Keys { path, into });
}

/// Describes the keys of a section.
struct Describe<'a> {
    generator: &'a mut SchemaGenerator,
    properties: Map<String, Json>,
}

impl Visitor for Describe<'_> {
    fn field<T: Setting>(&mut self, field: &Field) -> T {
        let mut schema = T::schema(self.generator);
        let mut about = prose(field.about);
        if let Some(bounds) = &field.bounds {
            let (low, high) = bounds.limits::<T>();
            T::bound(&mut schema, low, high);
            about.push_str(&format!(
                " From {} to {}.",
                bounds.low.replace('_', ""),
                bounds.high.replace('_', "")
            ));
        }
        schema.insert("description".to_owned(), json!(about));
        if let Some(text) = field.default {
            schema.insert("default".to_owned(), declared(text).value.to_json());
        }
        self.properties.insert(field.key.to_owned(), schema.to_value());
        default(field)
    }
}

/// The schema of a section's table.
pub(crate) fn schema<S: Section>(generator: &mut SchemaGenerator, about: &[&str]) -> Schema {
    let mut describe = Describe { generator, properties: Map::new() };
    S::visit(&mut describe);
    json_schema!({
        "type": "object",
        "description": prose(about),
        "additionalProperties": false,
        "properties": describe.properties,
    })
}
