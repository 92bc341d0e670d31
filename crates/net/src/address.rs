//! An address a server listens on, written the same way in configuration, events and errors.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The scheme that tells a Unix socket's path from `ip:port`.
const UNIX: &str = "unix:";

/// Where a server is reached: `127.0.0.1:8000`, `[::1]:8000` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix stream socket.
    Unix(PathBuf),
}

/// Why a text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `ip:port` nor `unix:/path`.
    #[error("`{0}` is not an address: expected `127.0.0.1:8000`, `[::1]:8000` or `unix:/path`")]
    Syntax(String),
    /// `unix:` with nothing behind it.
    #[error("`unix:` needs the path of a socket")]
    NoPath,
}

impl Address {
    /// The TCP port, if it is a TCP address.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can reach it: loopback, or any Unix socket.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(UNIX) {
            Some("") => Err(AddressError::NoPath),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| AddressError::Syntax(text.to_owned())),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["127.0.0.1:80", "[::1]:8000", "unix:/run/a.sock", "unix:relative.sock"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let json = serde_json::to_string(&address).unwrap();
            assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
        }
    }

    #[test]
    fn a_host_name_is_not_an_address() {
        assert_eq!("localhost:80".parse::<Address>(), Err(AddressError::Syntax("localhost:80".to_owned())));
        assert_eq!("unix:".parse::<Address>(), Err(AddressError::NoPath));
    }

    #[test]
    fn a_mapped_ipv4_loopback_is_loopback() {
        assert!("[::ffff:127.0.0.1]:1".parse::<Address>().unwrap().is_loopback());
        assert!(!"0.0.0.0:1".parse::<Address>().unwrap().is_loopback());
    }
}
