//! The pages about the configuration say what the code does.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ostler_config::Config;
use serde_json::Value;

/// Set to write `docs/configuration.md` anew.
const WRITE: &str = "OSTLER_WRITE_DOCS";

/// What stands before the tables.
const HEAD: &str = include_str!("documentation/head.md");

/// Sections in the order in which a reader needs them, with the definition of each.
const SECTIONS: [(&str, &str); 14] = [
    ("[[server]]", "ServerTable"),
    ("[switchboard]", "Switchboard"),
    ("[switchboard.http2]", "Http2"),
    ("[[certificate]]", "CertificateTable"),
    ("[admin]", "Admin"),
    ("[builtin]", "Builtins"),
    ("[admin.bounds] and [builtin.bounds]", "Bounds"),
    ("[pool]", "Pool"),
    ("[pool.backoff]", "Backoff"),
    ("[pool.breaker]", "Breaker"),
    ("[mcp]", "Mcp"),
    ("[tools]", "Tools"),
    ("[store]", "Store"),
    ("[log]", "Log"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_reference_page_has_every_key_as_it_is() {
    let page = reference();
    let path = root().join("docs/configuration.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/configuration.md is out of date: run the tests of ostler-config with {WRITE}=1"
    );
}

#[test]
fn every_example_is_a_right_configuration() {
    let mut examples = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(error) = Config::parse(&text, &path.to_string_lossy()) {
            panic!("{error}");
        }
        examples += 1;
    }
    assert_ne!(examples, 0);
}

fn reference() -> String {
    let schema = Config::json_schema();
    let mut page = HEAD.to_owned();
    for (title, definition) in SECTIONS {
        let section = &schema["$defs"][definition];
        assert!(section.is_object(), "there is no {definition} any more");
        let _ = write!(page, "\n## `{title}`\n\n{}\n\n", text(section));
        page.push_str("| key | default | what it is |\n| --- | --- | --- |\n");
        for (key, value) in section["properties"].as_object().expect("a section has keys") {
            if value.get("$ref").is_some() {
                continue;
            }
            let default = value.get("default").map_or_else(String::new, |default| format!("`{default}`"));
            let _ = writeln!(page, "| `{key}` | {default} | {}{} |", text(value), choices(value));
        }
    }
    page
}

fn text(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

/// The words that can be chosen from, each with what it means.
fn choices(value: &Value) -> String {
    let words = value["oneOf"].as_array().into_iter().flatten();
    words.filter_map(|word| Some(format!(" `\"{}\"`: {}", word["const"].as_str()?, text(word)))).collect()
}
