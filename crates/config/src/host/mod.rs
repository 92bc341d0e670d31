//! Host names, as requests carry them and as rules name them.

mod pattern;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use schemars::{Schema, json_schema};

pub use pattern::HostPattern;

use crate::document::Value;
use crate::setting::{Fault, Scalar};

/// What no host name contains. The underscore is no letter of DNS, but names with it are in use.
const FORBIDDEN: AsciiDenyList = AsciiDenyList::new(true, " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// Why a text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is nothing, or nothing but a dot.
    #[error("a host cannot be empty")]
    Empty,
    /// Two dots in a row, or one at the start.
    #[error("a label between two dots is empty")]
    EmptyLabel,
    /// It has a port: the host is what stands before it.
    #[error("a host has no port")]
    Port,
    /// A character that no host has.
    #[error("{0:?} cannot be in a host")]
    Character(char),
    /// An IPv6 address without its brackets.
    #[error("an IPv6 address is written in brackets")]
    Brackets,
    /// It looks like an IP address, and is none.
    #[error("this looks like an IP address, and is none")]
    Address,
    /// A label of more than 63 bytes, or a name of more than 253.
    #[error("a host has at most 253 characters, and 63 between two dots")]
    TooLong,
    /// International domain names do not allow it: a wrong `xn--` label, a hyphen at the end of a label, a character without
    /// a mapping.
    #[error("international domain names do not allow this")]
    International,
}

/// Brings a host into the one form in which hosts are compared.
///
/// Lower case, without the trailing dot, international labels in their `xn--` form, an IPv6 address in brackets and in its
/// shortest form.
///
/// ```
/// use ostler_config::host::normalize_host;
///
/// assert_eq!(normalize_host("Shop.LocalHost.")?, "shop.localhost");
/// assert_eq!(normalize_host("bücher.example")?, "xn--bcher-kva.example");
/// assert_eq!(normalize_host("[0:0:0:0:0:0:0:1]")?, "[::1]");
/// # Ok::<(), ostler_config::host::HostError>(())
/// ```
///
/// # Errors
///
/// Whatever cannot be a host, also one with a port. Nothing of the text is guessed.
pub fn normalize_host(text: &str) -> Result<String, HostError> {
    if let Some(address) = text.strip_prefix('[') {
        return match address.strip_suffix(']') {
            Some(address) => {
                address.parse::<Ipv6Addr>().map(|ip| format!("[{ip}]")).map_err(|_| HostError::Address)
            }
            None if address.contains("]:") => Err(HostError::Port),
            None => Err(HostError::Address),
        };
    }
    if text.is_empty() || text == "." {
        return Err(HostError::Empty);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(HostError::Brackets);
    }
    if text.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit())) {
        return Err(HostError::Port);
    }
    if let Some(wrong) = text
        .chars()
        .find(|c| c.is_ascii() && !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.'))
    {
        return Err(HostError::Character(wrong));
    }
    if text.starts_with('.') || text.contains("..") {
        return Err(HostError::EmptyLabel);
    }
    let ascii = Uts46::new()
        .to_ascii(text.as_bytes(), FORBIDDEN, Hyphens::CheckFirstLast, DnsLength::VerifyAllowRootDot)
        .map_err(|_| if too_long(text) { HostError::TooLong } else { HostError::International })?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|digit| digit.is_ascii_digit()) && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostError::Address);
    }
    Ok(name.to_owned())
}

fn too_long(text: &str) -> bool {
    text.len() > 254 || text.split('.').any(|label| label.len() > 63)
}

/// One host in its normal form: a name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The host in its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for HostName {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        normalize_host(text).map(Self)
    }
}

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
