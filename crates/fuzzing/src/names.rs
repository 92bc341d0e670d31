//! Hosts and addresses.

use ostler_net::{Address, HostName, HostPattern, normalize_host, requested_host};
use ostler_switchboard::Routes;

use crate::text;

/// Bytes that a name has at most (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;

/// A host as in a `Host` field: its normal form is one, and stays what it is.
pub fn host(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Ok(host) = requested_host(text) else { return };
    let name = host.as_str();
    assert_eq!(requested_host(name).as_ref(), Ok(&host));
    assert_eq!(normalize_host(name).as_deref(), Ok(name));
    assert_eq!(requested_host(&format!("{name}:80")).as_ref(), Ok(&host));
    assert_eq!(requested_host(&name.to_ascii_uppercase()).as_ref(), Ok(&host));
    assert!(!name.is_empty() && name.len() <= LONGEST_NAME && !name.ends_with('.'));
    assert!(
        name.bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'[' | b']'))
    );
    assert_eq!(host.is_address(), name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok());
    if let Some(label) = host.first_label() {
        assert!(!label.is_empty() && !label.contains('.') && name.starts_with(label));
    }
}

/// A pattern and, on the next line, a host: the pattern reads back as itself, and routes find what it matches.
pub fn pattern(bytes: &[u8]) {
    let Some((pattern, host)) = text(bytes).and_then(|text| text.split_once('\n')) else { return };
    let Ok(pattern) = pattern.parse::<HostPattern>() else { return };
    assert_eq!(pattern.to_string().parse().as_ref(), Ok(&pattern));
    let mut routes = Routes::new();
    routes.insert(pattern.clone(), ());
    if let Ok(host) = requested_host(host) {
        assert_eq!(routes.find(host.as_str()).is_some(), pattern.matches(host.as_str()), "{pattern} {host}");
    }
    match &pattern {
        HostPattern::Exact(name) => assert!(pattern.matches(name.as_str())),
        HostPattern::Wildcard(suffix) => {
            assert!(!suffix.is_address() && !pattern.matches(suffix.as_str()));
            if let Ok(below) = format!("a.{suffix}").parse::<HostName>() {
                assert!(pattern.matches(below.as_str()) && routes.find(below.as_str()).is_some());
            }
        }
    }
}

/// An address to listen on or to connect to: what is printed is read back.
pub fn address(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match text.parse::<Address>() {
        Ok(address) => {
            assert_eq!(address.to_string().parse().as_ref(), Ok(&address));
            assert_eq!(address.port().is_some(), matches!(address, Address::Tcp(_)));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
