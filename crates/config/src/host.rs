//! Host names as the configuration writes them.

use ostler_net::{HostError, HostName, HostPattern};
use schemars::{Schema, json_schema};

use crate::document::Value;
use crate::setting::{Fault, Scalar};

impl Scalar for HostName {
    fn expected() -> String {
        "a host such as \"shop.localhost\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        text.parse().map_err(|error| fault(&error, text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 254, "examples": ["shop.localhost"] })
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
        if suffix.is_address() {
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

/// What to say of a wrong host, and what was probably meant.
fn fault(error: &HostError, text: &str) -> Fault {
    let fault = Fault::new(error.to_string());
    match error {
        HostError::Port => match text.rsplit_once(':') {
            Some((host, _)) if !host.is_empty() => {
                fault.help(format!("write \"{host}\": hosts are matched without the port"))
            }
            Some(_) | None => fault,
        },
        HostError::Character('/' | ':') if text.contains("://") => {
            let host =
                text.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
            Fault::new("this is a URL").help(format!("write the host only: \"{host}\""))
        }
        HostError::Character('/') => {
            fault.help("hosts have no path; every path of a host goes to the same server")
        }
        HostError::Brackets => fault.help(format!("write \"[{text}]\"")),
        HostError::Address
        | HostError::International
        | HostError::Empty
        | HostError::EmptyLabel
        | HostError::Character(_)
        | HostError::TooLong => fault,
    }
}
