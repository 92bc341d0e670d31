//! The schema and the reader agree.

use std::sync::LazyLock;

use jsonschema::Validator;
use ostler_config::Config;
use ostler_testing::SelfSigned;
use serde_json::{Map, Value, json};

use crate::config;

/// A key of the schema, where it is in a document, and what the schema says of it.
struct Key {
    path: Vec<String>,
    schema: Value,
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(pointer) => root.pointer(pointer.trim_start_matches('#')).expect("references lead somewhere"),
        None => schema,
    }
}

/// Every key of the schema below one table.
fn keys(root: &Value, table: &Value, path: &[String], into: &mut Vec<Key>) {
    let table = resolve(root, table);
    assert_eq!(table["additionalProperties"], json!(false), "{path:?} takes no other keys");
    for (name, schema) in table["properties"].as_object().expect("a table has keys") {
        let path: Vec<_> = path.iter().chain([name]).cloned().collect();
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 10), "{path:?} is described");
        let list =
            schema.pointer("/anyOf/1/items").filter(|_| matches!(name.as_str(), "server" | "certificate"));
        let below = resolve(root, list.unwrap_or(schema));
        match below.get("properties") {
            Some(_) => keys(root, below, &path, into),
            None => into.push(Key { path, schema: schema.clone() }),
        }
    }
}

fn all_keys() -> (Value, Vec<Key>) {
    let root = Config::json_schema();
    let mut all = Vec::new();
    keys(&root, &root, &[], &mut all);
    (root, all)
}

/// A document in which this key has this value, and which is right if the value is.
fn document(key: &Key, value: &Value) -> Value {
    let mut table = Map::new();
    let (name, above) = key.path.split_last().expect("a path is not empty");
    if above == ["server"] {
        table.insert("host".to_owned(), json!(if name == "max" { "*.localhost" } else { "a.localhost" }));
        if !matches!(name.as_str(), "builtin" | "url") {
            table.insert("command".to_owned(), json!(["a"]));
        }
        table.insert(name.clone(), value.clone());
        return json!({ "server": [table] });
    }
    if above == ["certificate"] {
        let (mut table, files) = (certificate(), certificate());
        // The files that the schema has as examples do not exist.
        table.insert(name.clone(), files.get(name).unwrap_or(value).clone());
        return json!({ "switchboard": { "tls_listen": "127.0.0.1:0" }, "certificate": [table] });
    }
    table.insert(name.clone(), value.clone());
    if name == "tls_listen" && *value != json!([]) {
        return json!({ "switchboard": table, "certificate": [certificate()] });
    }
    if above == ["mcp", "auth"] && ["issuer", "audience", "jwks", "scopes", "tools"].contains(&name.as_str())
    {
        let is_nothing = [json!([]), json!({})].contains(value);
        for (name, value) in
            [("issuer", "https://a.example"), ("audience", "https://b.example"), ("jwks", "c.json")]
        {
            if !is_nothing {
                table.entry(name).or_insert_with(|| value.into());
            }
        }
    }
    if name == "default_host" {
        return json!({ "switchboard": table, "server": [{ "host": value, "builtin": "echo" }] });
    }
    above.iter().rev().fold(Value::Object(table), |inner, name| json!({ name: inner }))
}

/// A certificate that exists.
fn certificate() -> Map<String, Value> {
    static MADE: LazyLock<SelfSigned> = LazyLock::new(|| SelfSigned::new(&["a.localhost"]));
    [("cert", &MADE.cert), ("key", &MADE.key)]
        .map(|(key, path)| (key.to_owned(), json!(path.to_str().expect("temporary paths are UTF-8"))))
        .into_iter()
        .collect()
}

fn read(document: &Value) -> Result<Config, String> {
    let text = toml(document);
    Config::parse(&text, "ostler.toml").map_err(|error| format!("{text}\n{error}"))
}

/// A document in TOML's notation, with inline tables only.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let inline = |(key, value)| format!("{key} = {}", inline(value));
            table.iter().map(inline).collect::<Vec<_>>().join("\n")
        }
        other => inline(other),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let entries: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Null => panic!("TOML has no null"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// The words a key can be, wherever its schema has them.
fn words(schema: &Value) -> Vec<Value> {
    let alternatives = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    alternatives.filter_map(|alternative| alternative.get("const").cloned()).collect()
}

#[test]
fn every_default_of_the_schema_is_accepted_and_changes_nothing() {
    let (_, keys) = all_keys();
    let mut checked = 0;
    for key in &keys {
        let Some(default) = key.schema.get("default") else { continue };
        let read = read(&document(key, default)).unwrap_or_else(|error| panic!("{:?}: {error}", key.path));
        assert_eq!(read, Config::default(), "{:?}", key.path);
        checked += 1;
    }
    assert!(checked > 35, "only {checked} keys have defaults");
}

#[test]
fn every_key_of_the_schema_is_accepted_with_a_value_that_the_schema_accepts() {
    let (root, keys) = all_keys();
    let validator = jsonschema::validator_for(&root).unwrap();
    for key in &keys {
        let schema = &key.schema;
        let alternatives = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<Value> = [schema]
            .into_iter()
            .chain(alternatives)
            .flat_map(|schema| {
                let examples = schema.get("examples").and_then(Value::as_array).cloned().unwrap_or_default();
                let pick = |name| schema.get(name).filter(|value| !value.is_null()).cloned();
                let boolean = (schema["type"] == "boolean").then_some(json!(true));
                let duration =
                    schema["pattern"].as_str().filter(|it| it.contains("weeks")).map(|_| json!("30s"));
                examples
                    .into_iter()
                    .chain(pick("default"))
                    .chain(boolean)
                    .chain(duration)
                    .chain(words(schema))
                    .chain(schema["minimum"].is_number().then(|| schema["minimum"].clone()))
            })
            .collect();
        assert!(!values.is_empty(), "the schema shows no value of {:?}: {schema}", key.path);
        for value in values {
            let document = document(key, &value);
            assert!(validator.is_valid(&document), "the schema refuses {document}");
            read(&document)
                .unwrap_or_else(|error| panic!("the reader refuses {:?} = {value}: {error}", key.path));
        }
    }
}

#[test]
fn numbers_out_of_the_bounds_of_the_schema_are_refused_by_both() {
    let (root, keys) = all_keys();
    let validator = jsonschema::validator_for(&root).unwrap();
    let mut checked = 0;
    for key in &keys {
        let schema = key.schema.pointer("/anyOf/0").unwrap_or(&key.schema);
        let (Some(low), Some(high)) = (schema["minimum"].as_f64(), schema["maximum"].as_f64()) else {
            continue;
        };
        let number =
            |number: f64| if schema["type"] == "integer" { json!(number as i64) } else { json!(number) };
        for wrong in [number(low - 1.0), number(high + 1.0), json!("many"), json!([true]), json!({})] {
            let document = document(key, &wrong);
            assert!(!validator.is_valid(&document), "the schema accepts {document}");
            assert!(read(&document).is_err(), "the reader accepts {document}");
        }
        checked += 1;
    }
    assert!(checked > 15, "only {checked} keys have bounds");
}

#[test]
fn a_key_that_the_schema_does_not_have_is_refused_by_both() {
    let (root, keys) = all_keys();
    let validator = jsonschema::validator_for(&root).unwrap();
    for key in keys {
        let mut path = key.path.clone();
        path.last_mut().expect("a path is not empty").push_str("_x");
        let document = document(&Key { path, schema: Value::Null }, &json!(1));
        assert!(!validator.is_valid(&document), "the schema accepts {document}");
        assert!(read(&document).is_err(), "the reader accepts {document}");
    }
}

#[test]
fn a_server_needs_a_host_and_one_target_in_the_schema_too() {
    let validator: Validator = jsonschema::validator_for(&Config::json_schema()).unwrap();
    for (server, right) in [
        (json!({ "host": "a", "builtin": "echo" }), true),
        (json!({ "host": "a" }), false),
        (json!({ "builtin": "echo" }), false),
        (json!({ "host": "a", "builtin": "echo", "url": "http://a" }), false),
    ] {
        let document = json!({ "server": [server] });
        assert_eq!(validator.is_valid(&document), right, "{document}");
        assert_eq!(read(&document).is_ok(), right, "{document}");
    }
}

#[test]
fn what_a_server_overrides_has_the_bounds_that_it_has_in_the_pool() {
    let (_, keys) = all_keys();
    let bounds = |key: &Key| {
        let mut schema = key.schema.clone();
        let described = schema["description"]
            .as_str()
            .and_then(|text| text.split_once("Values: "))
            .map(|it| it.1.to_owned());
        schema
            .as_object_mut()
            .expect("a schema is an object")
            .retain(|key, _| key != "default" && key != "description");
        (schema, described)
    };
    let mut checked = 0;
    for own in keys.iter().filter(|key| key.path[0] == "server") {
        let Some(pooled) = keys.iter().find(|key| key.path[0] == "pool" && key.path[1..] == own.path[1..])
        else {
            continue;
        };
        assert_eq!(bounds(own), bounds(pooled), "{:?}", own.path);
        checked += 1;
    }
    assert_eq!(checked, 9);
}

#[test]
fn the_schema_is_a_schema() {
    jsonschema::meta::validate(&Config::json_schema()).unwrap();
    assert_eq!(Config::json_schema()["title"], "ostler.toml");
    config("");
}
