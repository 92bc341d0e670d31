//! JSON Schema 2020-12: what a type looks like as JSON, and whether a value does.

use std::fmt;

use jsonschema::Draft;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// A JSON Schema that is an object, which all schemas here are.
pub type Schema = Map<String, Value>;

/// The schema of what is read into a `T`.
#[must_use]
pub fn schema_of<T: JsonSchema + ?Sized>() -> Schema {
    object(SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>())
}

/// The schema of what a `T` is written as.
#[must_use]
pub(crate) fn output_schema_of<T: JsonSchema + ?Sized>() -> Schema {
    object(SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>())
}

/// The schema of the form that a `T` is asked by: without references, since a form is flat.
#[must_use]
pub(crate) fn form_of<T: JsonSchema + ?Sized>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = object(settings.into_generator().into_root_schema_for::<T>());
    // The name of a Rust type is of no interest to the user.
    schema.remove("title");
    schema
}

fn object(schema: schemars::Schema) -> Schema {
    match schema.to_value() {
        Value::Object(object) => object,
        // `true`: anything.
        _ => Map::new(),
    }
}

/// Whether a schema says that the value is an object.
#[must_use]
pub(crate) fn is_object(schema: &Schema) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}

/// Whether `schema` asks for more than a type that is read from JSON checks by itself.
pub(crate) fn has_constraints(schema: &Value) -> bool {
    const CHECKED_BY_READING: [&str; 19] = [
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "default",
        "examples",
        "type",
        "format",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "oneOf",
        "anyOf",
        "deprecated",
        "prefixItems",
        "additionalProperties",
    ];
    match schema {
        Value::Object(object) => object.iter().any(|(key, value)| match key.as_str() {
            // These hold schemas under names of their own.
            "properties" | "$defs" => match value {
                Value::Object(named) => named.values().any(has_constraints),
                _ => true,
            },
            "items" | "additionalProperties" => has_constraints(value),
            "oneOf" | "anyOf" | "prefixItems" => match value {
                Value::Array(schemas) => schemas.iter().any(has_constraints),
                _ => true,
            },
            // The bound that follows from an unsigned type.
            "minimum" => value.as_f64() != Some(0.0),
            "x-mcp-header" => false,
            other => !CHECKED_BY_READING.contains(&other),
        }),
        _ => false,
    }
}

/// Checks values against a schema.
pub(crate) struct Validator(jsonschema::Validator);

impl Validator {
    /// # Errors
    /// What is wrong with the schema.
    pub(crate) fn new(schema: &Schema) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&Value::Object(schema.clone()))
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// # Errors
    /// What is wrong with the value, and where: the first few of all that is.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        const TOLD: usize = 3;
        let told = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            if place.is_empty() { error.to_string() } else { format!("{error} at {place}") }
        };
        let errors: Vec<_> = self.0.iter_errors(value).take(TOLD).map(told).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validator")
    }
}

/// Whether `schema` can be asked by a form: an object whose properties are text, numbers, booleans, or choices of one or
/// several texts ([specification](https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation)).
///
/// # Errors
/// The property that cannot.
pub(crate) fn check_form(schema: &Schema) -> Result<(), String> {
    if !is_object(schema) {
        return Err("a form is an object".into());
    }
    let Some(Value::Object(properties)) = schema.get("properties") else { return Ok(()) };
    for (name, property) in properties {
        let kind = property.get("type").and_then(Value::as_str);
        let flat = match kind {
            Some("string" | "number" | "integer" | "boolean") => true,
            Some("array") => property.get("items").is_some_and(is_text),
            Some(_) | None => {
                property.get("enum").is_some()
                    || property.get("oneOf").is_some()
                    || property.get("const").is_some()
            }
        };
        if !flat {
            return Err(format!("`{name}` is neither text, number, boolean nor a choice of texts"));
        }
    }
    Ok(())
}

/// Whether it is a text, or a choice of such by their titles.
fn is_text(schema: &Value) -> bool {
    let choices = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    schema.get("type").and_then(Value::as_str) == Some("string")
        || choices.is_some_and(|choices| {
            choices.iter().all(|choice| choice.get("const").is_some_and(Value::is_string))
        })
}
