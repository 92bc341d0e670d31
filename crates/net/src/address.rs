//! An address a server listens on, written the same way in configuration, events and errors.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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

    /// Whether who connects to this address is known to reach `listener`, which is an address that this process listens on.
    ///
    /// An unspecified address is every address of this machine to a listener, of which only those of loopback can be told
    /// without asking the system, and loopback itself to who connects. A listener on `[::]` is taken to accept IPv4 too, as
    /// it does unless the system is told otherwise. Nothing is known of port 0.
    pub fn reaches(&self, listener: &Self) -> bool {
        match (self, listener) {
            (Self::Tcp(target), Self::Tcp(listener)) => {
                let ip = match target.ip().to_canonical() {
                    IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                    ip => ip,
                };
                let own = listener.ip().to_canonical();
                let everywhere = own.is_unspecified() && (own.is_ipv6() || ip.is_ipv4());
                let port = listener.port();
                port != 0 && port == target.port() && (own == ip || (everywhere && ip.is_loopback()))
            }
            (Self::Unix(target), Self::Unix(listener)) => target == listener,
            (Self::Tcp(_), Self::Unix(_)) | (Self::Unix(_), Self::Tcp(_)) => false,
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
    fn a_listener_everywhere_is_reached_through_loopback() {
        let reaches = |target: &str, listener: &str| {
            target.parse::<Address>().unwrap().reaches(&listener.parse().unwrap())
        };
        for target in ["127.0.0.1:80", "127.8.8.8:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:80"] {
            assert!(reaches(target, "0.0.0.0:80") && reaches(target, "[::]:80"), "{target}");
        }
        assert!(reaches("[::1]:80", "[::]:80") && reaches("[::]:80", "[::1]:80"));
        assert!(reaches("192.0.2.1:80", "192.0.2.1:80") && reaches("unix:/a", "unix:/a"));
        for (target, listener) in [
            ("192.0.2.1:80", "0.0.0.0:80"),
            ("127.0.0.1:81", "0.0.0.0:80"),
            ("127.0.0.2:80", "127.0.0.1:80"),
            ("[::1]:80", "0.0.0.0:80"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("unix:/a", "unix:/b"),
            ("unix:/a", "0.0.0.0:80"),
        ] {
            assert!(!reaches(target, listener), "{target} {listener}");
        }
    }

    #[test]
    fn a_mapped_ipv4_loopback_is_loopback() {
        assert!("[::ffff:127.0.0.1]:1".parse::<Address>().unwrap().is_loopback());
        assert!(!"0.0.0.0:1".parse::<Address>().unwrap().is_loopback());
    }
}
