//! What a server that is started is: the values of `command`, `ready` and `env`.

use std::collections::BTreeMap;

use http::uri::PathAndQuery;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::setting::{Fault, Scalar, Setting, VariableName};
use crate::words::{nearest, quoted};

/// What is replaced in arguments.
const PLACEHOLDERS: [&str; 3] = ["port", "socket", "host"];

/// When a started server is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// As soon as it accepts connections.
    Accept,
    /// At the first 2xx answer to a GET of this path, which begins with `/`.
    Path(String),
}

impl Scalar for Ready {
    fn expected() -> String {
        "a path such as \"/health\", or \"accept\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?;
        match text {
            "accept" => Ok(Self::Accept),
            path if path.starts_with('/') && !path.contains('#') && path.parse::<PathAndQuery>().is_ok() => {
                Ok(Self::Path(path.to_owned()))
            }
            path if path.starts_with('/') => {
                Err(Fault::new(format!("{} cannot be in a request", quoted(path))))
            }
            url if url.contains("://") => {
                Err(Fault::new("this is a URL").help("write the path only, with its first `/`"))
            }
            "" => Err(Fault::new("this is empty").help("\"accept\" waits for the first connection")),
            other => Err(Fault::new(format!("{} is neither", quoted(other)))
                .help(format!("did you mean \"/{other}\"?"))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(accept|/[^#\\s]*)$", "examples": ["/health", "accept"] })
    }
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argv(pub(crate) Vec<String>);

/// One argument, whose placeholders are known to exist.
struct Argument(String);

impl Setting for Argv {
    fn expected() -> String {
        "a program and its arguments, as a list of strings".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Array(items) = &node.value else {
            let fault = Fault::kind(&node.value).note("no shell splits it into words");
            let fault = match node.value.text() {
                Some(line) if !line.contains(['"', '\'', '\\', '$', '|', '&', ';', '<', '>']) => {
                    let words: Vec<_> = line.split_whitespace().map(|word| format!("\"{word}\"")).collect();
                    fault.help(format!("write [{}]", words.join(", ")))
                }
                Some(_) | None => fault,
            };
            reader.refuse(node, &Self::expected(), fault);
            return None;
        };
        if items.is_empty() {
            reader.refuse(node, &Self::expected(), Fault::new("the program is missing"));
            return None;
        }
        let arguments: Vec<_> =
            items.iter().enumerate().map(|(at, item)| reader.item(at, item, Argument::read)).collect();
        let arguments: Option<Vec<_>> =
            arguments.into_iter().map(|argument| argument.map(|it| it.0)).collect();
        let arguments = arguments?;
        if arguments.first().is_some_and(String::is_empty) {
            reader.refuse(&items[0], &Self::expected(), Fault::new("the program is empty"));
            return None;
        }
        Some(Self(arguments))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "examples": [["node", "server.js", "--port", "{port}"]],
        })
    }
}

impl Scalar for Argument {
    fn expected() -> String {
        "an argument, in which `{port}`, `{socket}` and `{host}` are replaced".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let Some(text) = value.text() else {
            let fault = Fault::kind(value);
            return Err(match value {
                Value::Integer(number) => fault.help(format!("write it in quotes: \"{number}\"")),
                Value::Boolean(word) => fault.help(format!("write it in quotes: \"{word}\"")),
                _ => fault,
            });
        };
        if text.contains('\0') {
            return Err(Fault::new("an argument has no zero byte"));
        }
        match placeholders(text).find(|name| !PLACEHOLDERS.contains(name)) {
            None => Ok(Self(text.to_owned())),
            Some(name) => {
                let fault = Fault::new(format!("nothing replaces {}", quoted(&format!("{{{name}}}"))));
                Err(match nearest(name, PLACEHOLDERS) {
                    Some(near) => fault.help(format!("did you mean `{{{near}}}`?")),
                    None => fault,
                })
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// The names in braces in an argument: `{port}`. Braces around anything but one word are no placeholder, so that an
/// argument can be JSON.
pub(crate) fn placeholders(argument: &str) -> impl Iterator<Item = &str> {
    argument.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        (!name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')).then_some(name)
    })
}

/// Variables and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment(pub(crate) BTreeMap<VariableName, String>);

impl Setting for Environment {
    fn expected() -> String {
        "a table of names and strings".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            reader.refuse(
                node,
                &Self::expected(),
                Fault::kind(&node.value).help("write env = { NAME = \"value\" }"),
            );
            return None;
        };
        let read: Vec<_> = table
            .entries
            .iter()
            .map(|entry| {
                let name = VariableName::new(&entry.key).map_err(|fault| {
                    let key = Node { value: Value::Text(entry.key.clone()), place: entry.key_place.clone() };
                    reader.entry(entry, |_, reader| {
                        reader.refuse(&key, &<VariableName as Scalar>::expected(), fault);
                    });
                });
                let value = reader.entry(entry, VariableValue::read);
                Some((name.ok()?, value?.0))
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": <VariableName as Scalar>::schema(),
            "additionalProperties": { "type": "string" },
            "examples": [{ "NODE_ENV": "production" }],
        })
    }
}

struct VariableValue(String);

impl Scalar for VariableValue {
    fn expected() -> String {
        "a string".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::Text(text) if text.contains('\0') => Err(Fault::new("a variable has no zero byte")),
            Value::Text(text) => Ok(Self(text.clone())),
            Value::Integer(number) => {
                Err(Fault::kind(value).help(format!("write it in quotes: \"{number}\"")))
            }
            Value::Boolean(word) => Err(Fault::kind(value).help(format!("write it in quotes: \"{word}\""))),
            Value::Untyped(_) | Value::Float(_) | Value::Date => Err(Fault::kind(value)),
            Value::Array(_) | Value::Table(_) => Err(Fault::kind(value)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}
