//! Host names as they are compared: one spelling for each.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

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
/// use ostler_net::normalize_host;
///
/// assert_eq!(normalize_host("Shop.LocalHost.")?, "shop.localhost");
/// assert_eq!(normalize_host("bücher.example")?, "xn--bcher-kva.example");
/// assert_eq!(normalize_host("[0:0:0:0:0:0:0:1]")?, "[::1]");
/// # Ok::<(), ostler_net::HostError>(())
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

    /// Whether it is an IP address, which has no labels and nothing below it.
    pub fn is_address(&self) -> bool {
        self.0.starts_with('[') || self.0.parse::<Ipv4Addr>().is_ok()
    }

    /// Its first label, if it has several.
    pub fn first_label(&self) -> Option<&str> {
        if self.is_address() { None } else { self.0.split_once('.').map(|(label, _)| label) }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        normalize_host(text).map(Self)
    }
}

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

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(suffix) = text.strip_prefix("*.") else { return text.parse().map(Self::Exact) };
        let suffix: HostName = suffix.parse()?;
        if suffix.is_address() { Err(HostError::Address) } else { Ok(Self::Wildcard(suffix)) }
    }
}

/// The host of a `Host` field or of a URI's authority, without its port (RFC 9110, section 7.2).
///
/// # Errors
/// What stands before the port is no host, or what stands behind the colon is no port.
pub fn requested_host(text: &str) -> Result<HostName, HostError> {
    let brackets = text.rfind(']').unwrap_or(0);
    let Some(colon) = text[brackets..].find(':') else { return text.parse() };
    let (host, port) = text.split_at(brackets + colon);
    // RFC 3986, section 3.2.3: the port may be empty.
    let digits = &port[1..];
    let is_port = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_port || (!digits.is_empty() && digits.parse::<u16>().is_err()) {
        return Err(HostError::Port);
    }
    host.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_host_is_one_name() {
        for (host, name) in [
            ("shop.localhost", "shop.localhost"),
            ("SHOP.Localhost", "shop.localhost"),
            ("shop.localhost.", "shop.localhost"),
            ("shop.localhost:8000", "shop.localhost"),
            ("shop.localhost.:8000", "shop.localhost"),
            ("shop.localhost:", "shop.localhost"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example:80", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("my_app.localhost", "my_app.localhost"),
        ] {
            assert_eq!(requested_host(host).as_ref().map(HostName::as_str), Ok(name), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (host, error) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (":80", HostError::Empty),
            ("a..b", HostError::EmptyLabel),
            (".a", HostError::EmptyLabel),
            ("a b", HostError::Character(' ')),
            ("a/b", HostError::Character('/')),
            ("user@a", HostError::Character('@')),
            ("a%41", HostError::Character('%')),
            ("*.a", HostError::Character('*')),
            ("a:b", HostError::Port),
            ("a:80:80", HostError::Port),
            ("a:99999", HostError::Port),
            ("a:+80", HostError::Port),
            ("[::1", HostError::Port),
            ("[hello]", HostError::Address),
            ("[::1]x", HostError::Address),
            ("1.2.3.999", HostError::Address),
            (&"a".repeat(64), HostError::TooLong),
            (&["abcdefgh"; 29].join("."), HostError::TooLong),
        ] {
            assert_eq!(requested_host(host), Err(error), "{host}");
        }
    }

    #[test]
    fn a_pattern_is_a_name_or_all_names_below_one() {
        let wildcard: HostPattern = "*.LOCALHOST.".parse().unwrap();
        assert_eq!(wildcard.to_string(), "*.localhost");
        assert!(wildcard.matches("a.b.localhost") && !wildcard.matches("localhost"));
        assert_eq!("*".parse::<HostPattern>(), Err(HostError::Character('*')));
        assert_eq!("a.*.b".parse::<HostPattern>(), Err(HostError::Character('*')));
        assert_eq!("a:80".parse::<HostPattern>(), Err(HostError::Port));
        assert_eq!("*.127.0.0.1".parse::<HostPattern>(), Err(HostError::Address));
    }

    #[test]
    fn only_a_name_has_a_first_label() {
        for (host, label) in
            [("shop.example.com", Some("shop")), ("shop", None), ("127.0.0.1", None), ("[::1]", None)]
        {
            assert_eq!(host.parse::<HostName>().unwrap().first_label(), label, "{host}");
        }
    }
}
