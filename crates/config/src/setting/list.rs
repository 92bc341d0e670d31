//! Lists, which may be written as one value when they have one.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::{Fault, Setting, Side};
use crate::document::{Node, Value};
use crate::reader::Reader;

impl<T: Setting> Setting for Vec<T> {
    fn expected() -> String {
        format!("{}, or a list", T::expected())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Array(items) => read_all(items, reader),
            Value::Untyped(text) if text.trim_start().starts_with('[') => {
                match Node::parse_value(text.trim(), &node.place) {
                    Ok(list) => Self::read(&list, reader),
                    Err(error) => {
                        reader.refuse(node, &Self::expected(), Fault::new(error.message()));
                        None
                    }
                }
            }
            Value::Untyped(text) if text.contains(',') => {
                let part = |part: &str| Node {
                    value: Value::Untyped(part.trim().to_owned()),
                    place: node.place.clone(),
                };
                read_all(&text.split(',').map(part).collect::<Vec<_>>(), reader)
            }
            Value::Table(_) if T::is_section() => {
                let help = format!("write its header as [[{}]]", reader.path);
                reader.refuse(node, "a list of tables", Fault::new("this is one table").help(help));
                None
            }
            Value::Text(_)
            | Value::Untyped(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Date
            | Value::Table(_) => reader.only(node, T::read).map(|only| vec![only]),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = T::schema(generator);
        json_schema!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
    }

    fn limit(declared: &Node) -> Option<f64> {
        match declared.value {
            Value::Integer(count) => Some(count as f64),
            Value::Text(_) | Value::Untyped(_) | Value::Float(_) | Value::Boolean(_) | Value::Date => None,
            Value::Array(_) | Value::Table(_) => None,
        }
    }

    fn bounds(words: &str) -> String {
        format!(", {words} of them")
    }

    fn beyond(side: Side, bound: &str) -> String {
        match (side, bound) {
            (Side::Below, "1") => "this list is empty".to_owned(),
            (Side::Below, _) => format!("these are fewer than {bound}"),
            (Side::Above, _) => format!("these are more than {bound}"),
        }
    }

    fn keys(path: &str, into: &mut Vec<String>) {
        T::keys(path, into);
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
    fn magnitude(&self) -> Option<f64> {
        Some(self.len() as f64)
    }
    fn bound(schema: &mut Schema, low: f64, high: f64) {
        if let Some(list) = schema.pointer_mut("/anyOf/1").and_then(|list| list.as_object_mut()) {
            list.insert("minItems".to_owned(), json!(low as i64));
            list.insert("maxItems".to_owned(), json!(high as i64));
        }
    }
}

/// Reads every item, so that each wrong one is reported; the list is right only if all are.
fn read_all<T: Setting>(items: &[Node], reader: &mut Reader<'_>) -> Option<Vec<T>> {
    let read: Vec<_> =
        items.iter().enumerate().map(|(index, item)| reader.item(index, item, T::read)).collect();
    read.into_iter().collect()
}
