//! What else is made of the declaration of a section: its defaults, the list of its keys, its schema.

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use crate::reader::{Reader, below};
use crate::report::Report;
use crate::section::{Field, Section, Visitor, declared};
use crate::setting::Setting;
use crate::words::prose;

/// Gives every key its default.
pub(crate) struct Defaults;

impl Visitor for Defaults {
    fn field<T: Setting>(&mut self, field: &Field) -> T {
        default(field)
    }
}

/// The value of a key that nobody has set.
pub(crate) fn default<T: Setting>(field: &Field) -> T {
    let value = match field.default {
        Some(text) => T::read(&declared(text), &mut Reader::new(&mut Report::default())),
        None => T::absent(),
    };
    value.expect("a declared default is right, and a key without one can be absent: every test that reads a file sees it")
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
            let words = T::bounds(&bounds.words());
            about.push_str(&format!(" Values: {}.", words.trim_start_matches([',', ' '])));
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
