//! Host names as they are compared: one spelling for each.

use std::fmt;
use std::net::Ipv6Addr;

/// Why a text is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("the host name is empty")]
    Empty,
    /// Longer than 253 characters, or a label longer than 63 (RFC 1035, section 2.3.4).
    #[error("the host name is too long: at most 253 characters, and 63 between two dots")]
    TooLong,
    /// Not an IPv6 address between the brackets, or no closing bracket.
    #[error("`[` must begin an IPv6 address that ends with `]`")]
    Ipv6,
    /// What follows the name is not `:` and a port.
    #[error("what follows the host name is not a port")]
    Port,
    /// A character that no host name has, or an empty label.
    #[error("a host name is made of letters, digits, `-` and `_`, with single dots between")]
    Syntax,
}

/// A pattern of host names: one name, or all names below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name alone.
    Exact(String),
    /// `*.suffix`: every name that ends in `.suffix`, however many labels are before it; not `suffix` itself.
    Wildcard(String),
}

/// The one spelling of a host: lower case, without port and trailing dot, international names in punycode (UTS #46),
/// IPv6 addresses in brackets and compressed.
///
/// # Errors
/// See [`HostError`]; nothing is guessed.
pub fn normalize_host(host: &str) -> Result<String, HostError> {
    if let Some(literal) = host.strip_prefix('[') {
        let (address, port) = literal.split_once(']').ok_or(HostError::Ipv6)?;
        check_port(port)?;
        let address: Ipv6Addr = address.parse().map_err(|_| HostError::Ipv6)?;
        return Ok(format!("[{address}]"));
    }
    let (name, port) = host.find(':').map_or((host, ""), |colon| host.split_at(colon));
    check_port(port)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    let name = if name.is_ascii() && !name.contains("xn--") {
        name.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(name).map_err(|_| HostError::Syntax)?
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    for label in name.split('.') {
        if label.is_empty() || !label.bytes().all(allowed) {
            return Err(HostError::Syntax);
        }
        if label.len() > 63 {
            return Err(HostError::TooLong);
        }
    }
    if name.len() > 253 {
        return Err(HostError::TooLong);
    }
    Ok(name)
}

fn check_port(port: &str) -> Result<(), HostError> {
    match port.strip_prefix(':') {
        // RFC 3986, section 3.2.3: the port may be empty.
        Some("") => Ok(()),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u16>().map(|_| ()).map_err(|_| HostError::Port)
        }
        None if port.is_empty() => Ok(()),
        Some(_) | None => Err(HostError::Port),
    }
}

impl HostPattern {
    /// Reads `name` or `*.suffix`.
    ///
    /// # Errors
    /// See [`HostError`]. A port has no place in a pattern, and `*` only as the whole first label.
    pub fn parse(pattern: &str) -> Result<Self, HostError> {
        if pattern.contains(':') && !pattern.starts_with('[') || pattern.contains("]:") {
            return Err(HostError::Port);
        }
        match pattern.strip_prefix("*.") {
            Some(suffix) => normalize_host(suffix).map(Self::Wildcard),
            None => normalize_host(pattern).map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
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
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("my_app.localhost", "my_app.localhost"),
        ] {
            assert_eq!(normalize_host(host).as_deref(), Ok(name), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (host, error) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (":80", HostError::Empty),
            ("a..b", HostError::Syntax),
            (".a", HostError::Syntax),
            ("a b", HostError::Syntax),
            ("a/b", HostError::Syntax),
            ("user@a", HostError::Syntax),
            ("a%41", HostError::Syntax),
            ("*.a", HostError::Syntax),
            ("a:b", HostError::Port),
            ("a:80:80", HostError::Port),
            ("a:99999", HostError::Port),
            ("a:+80", HostError::Port),
            ("[::1", HostError::Ipv6),
            ("[hello]", HostError::Ipv6),
            ("[::1]x", HostError::Port),
            (&"a".repeat(64), HostError::TooLong),
            (&["abcdefgh"; 29].join("."), HostError::TooLong),
        ] {
            assert_eq!(normalize_host(host), Err(error), "{host}");
        }
    }

    #[test]
    fn a_pattern_is_a_name_or_all_names_below_one() {
        assert_eq!(HostPattern::parse("*.LOCALHOST."), Ok(HostPattern::Wildcard("localhost".into())));
        assert_eq!(HostPattern::parse("[::1]"), Ok(HostPattern::Exact("[::1]".into())));
        assert_eq!(HostPattern::parse("a.*.b"), Err(HostError::Syntax));
        assert_eq!(HostPattern::parse("*"), Err(HostError::Syntax));
        assert_eq!(HostPattern::parse("*.*.b"), Err(HostError::Syntax));
        assert_eq!(HostPattern::parse("a:80"), Err(HostError::Port));
    }
}
