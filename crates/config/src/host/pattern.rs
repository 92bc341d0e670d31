//! The hosts that a rule is about.

use std::fmt;
use std::net::Ipv4Addr;

use schemars::{Schema, json_schema};

use super::{HostName, fault};
use crate::document::Value;
use crate::setting::{Fault, Scalar};

/// The hosts that a rule is about, in their normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(HostName),
    /// Every host that ends in a dot and this one, at any depth: `*.preview.localhost`.
    Wildcard(HostName),
}

impl HostPattern {
    /// Whether a host, which must be in its normal form, is one of them.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == host,
            Self::Wildcard(suffix) => host
                .strip_suffix(suffix.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl Scalar for HostPattern {
    fn expected() -> String {
        "a host such as \"shop.localhost\" or \"*.preview.localhost\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        let Some(suffix) = text.strip_prefix("*.") else {
            return match text.contains('*') {
                false => text.parse().map(Self::Exact).map_err(|error| fault(&error, text)),
                true if text == "*" => Err(Fault::new("this would be every host")
                    .help("name a domain: \"*.localhost\"; `switchboard.default_host` takes requests that match nothing")),
                true => Err(Fault::new("`*` stands for whole labels at the start only").help("write \"*.example.com\"")),
            };
        };
        let suffix: HostName = suffix.parse().map_err(|error| match suffix.contains('*') {
            true => Fault::new("there can be one `*` only, at the start"),
            false => fault(&error, suffix),
        })?;
        let is_address = suffix.as_str().starts_with('[') || suffix.as_str().parse::<Ipv4Addr>().is_ok();
        if is_address {
            Err(Fault::new("an IP address has nothing below it"))
        } else {
            Ok(Self::Wildcard(suffix))
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(\*\.)?[^*]+$",
            "maxLength": 256,
            "examples": ["shop.localhost", "*.preview.localhost"],
        })
    }
}
