//! The JSON Schema of the configuration.

use schemars::generate::SchemaSettings;
use serde_json::json;

use crate::config::{Config, Document};

impl Config {
    /// The JSON Schema (2020-12) of the configuration file, for editors and other checkers.
    ///
    /// It knows every key with its type, its bounds, its default and its description. What depends on two keys at once, as
    /// that no two servers have the same host, only the reader knows.
    pub fn json_schema() -> serde_json::Value {
        let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>();
        schema.insert("title".to_owned(), json!("ostler.toml"));
        schema.remove("default");
        if let Some(server) =
            schema.pointer_mut("/$defs/ServerTable").and_then(|server| server.as_object_mut())
        {
            server.insert("required".to_owned(), json!(["host"]));
            let targets = ["command", "builtin", "url"].map(|key| json!({ "required": [key] }));
            server.insert("oneOf".to_owned(), json!(targets));
        }
        if let Some(certificate) =
            schema.pointer_mut("/$defs/CertificateTable").and_then(|table| table.as_object_mut())
        {
            certificate.insert("required".to_owned(), json!(["cert", "key"]));
        }
        schema.to_value()
    }
}
