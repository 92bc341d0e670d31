//! `[mcp.auth]`: who may use the endpoint of the Model Context Protocol.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::section::section;
use crate::setting::{Fault, Scalar, Setting};
use crate::words::quoted;

section! {
    /// Whose access tokens open the endpoint. With an `issuer` every client has to show one, a JWT of that authorization server;
    /// without it everybody who reaches the endpoint may use it, and it listens on loopback addresses and Unix sockets only.
    pub struct Auth {
        /// The authorization server, as it names itself in the `iss` of its tokens, such as `https://login.example`.
        issuer: Option<Identifier>;

        /// What tokens have to be for, as their `aud` has it: the address of this endpoint as its clients know it, such as
        /// `https://mcp.example/mcp`.
        audience: Option<Identifier>;

        /// Where the authorization server's keys are: an address, by `https`, or by `http` on this machine; or a file, which is read
        /// again when it changes. A relative path begins at the directory of the configuration file.
        jwks: Option<Jwks>;

        /// How far the authorization server's clock may be from this machine's.
        skew: Duration = "1m", from "0s" to "1h";

        /// The scopes that a token needs for anything.
        scopes: Vec<Scope> = [], from 0 to 64;

        /// The scopes that a token needs besides, by the name of a tool, a prompt, or the address of a resource.
        tools: ToolScopes = {};
    }
}

/// An address that names somebody or something, byte for byte as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for Identifier {
    fn expected() -> String {
        "an address such as \"https://mcp.example/mcp\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        let uri: Uri = text.parse().map_err(|_| Fault::new(format!("{} is none", quoted(text))))?;
        match uri.scheme_str() {
            Some("https" | "http") => Ok(Self(text.to_owned())),
            Some(_) | None => Err(Fault::new("it begins with neither https:// nor http://")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "uri", "examples": ["https://mcp.example/mcp"] })
    }
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(Uri),
}

impl Scalar for Jwks {
    fn expected() -> String {
        "an address or a path".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        if !text.contains("://") {
            return <PathBuf as Scalar>::parse(value).map(Self::File);
        }
        let uri: Uri = text.parse().map_err(|_| Fault::new(format!("{} is no address", quoted(text))))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => Ok(Self::Url(uri)),
            Some("http") if local => Ok(Self::Url(uri)),
            Some("http") => {
                Err(Fault::new("whoever is between here and there could change the keys").help("use https"))
            }
            Some(_) | None => Err(Fault::new("keys are fetched by https")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["https://login.example/keys", "jwks.json"] })
    }
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Scope {
    fn expected() -> String {
        "the name of a scope".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?;
        // What stands between the quotes of a challenge (RFC 6749, section 3.3).
        let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        match text {
            "" => Err(Fault::new("this is empty")),
            text if !text.bytes().all(fits) => {
                Err(Fault::new("a scope has no spaces, quotes and backslashes")
                    .help("write several as a list"))
            }
            text => Ok(Self(text.to_owned())),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[\x21\x23-\x5B\x5D-\x7E]+$", "examples": ["mcp"] })
    }
}

/// The scopes of tools, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolScopes(pub BTreeMap<String, Vec<Scope>>);

impl Setting for ToolScopes {
    fn expected() -> String {
        "a table of names and scopes".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            let help = "write tools = { confirm_delete = \"files:write\" }";
            reader.refuse(node, &Self::expected(), Fault::kind(&node.value).help(help));
            return None;
        };
        let read = table.entries.iter().map(|entry| {
            let scopes = reader.entry(entry, <Vec<Scope> as Setting>::read)?;
            Some((entry.key.clone(), scopes))
        });
        read.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let scopes = <Vec<Scope> as Setting>::schema(generator);
        json_schema!({ "type": "object", "additionalProperties": scopes, "examples": [{ "confirm_delete": ["files:write"] }] })
    }
}
