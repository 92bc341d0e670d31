//! Addresses to listen on, and peers to trust.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use ostler_net::Address;
use schemars::{Schema, json_schema};

use super::{Fault, Scalar};
use crate::document::Value;
use crate::words::quoted;

impl Scalar for Address {
    fn expected() -> String {
        "an address such as \"127.0.0.1:8000\" or \"unix:/path\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = match value {
            Value::Text(text) | Value::Untyped(text) => text.trim(),
            Value::Integer(port) if (0..=i128::from(u16::MAX)).contains(port) => {
                return Err(Fault::new("this is only a port").help(format!("write \"127.0.0.1:{port}\"")));
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date => {
                return Err(Fault::kind(value));
            }
            Value::Array(_) | Value::Table(_) => return Err(Fault::kind(value)),
        };
        text.parse().map_err(|_| wrong_address(text))
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(unix:.+|[0-9.]+:[0-9]{1,5}|\[[0-9a-fA-F:.%]+\]:[0-9]{1,5})$",
        })
    }
}

/// Finds out what is wrong with an address from what people write in its place.
fn wrong_address(text: &str) -> Fault {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    match (host, port) {
        ("unix:", _) => Fault::new("`unix:` needs the path of a socket"),
        ("", Some(port)) | ("*", Some(port)) => Fault::new("the address to listen on is missing")
            .help(format!("\"127.0.0.1:{port}\" for this machine only, \"0.0.0.0:{port}\" for everyone")),
        ("localhost", Some(port)) => Fault::new("names are not looked up")
            .help(format!("write \"127.0.0.1:{port}\" or \"[::1]:{port}\"")),
        (host, None) if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => {
            let host = host.trim_matches(['[', ']']);
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            Fault::new("the port is missing").help(format!("write \"{host}:8000\""))
        }
        (path, None) if path.starts_with('/') || path.starts_with("./") => {
            Fault::new("this is a path").help(format!("write \"unix:{path}\" for a Unix socket"))
        }
        (_, Some(_)) if text.contains("://") => {
            Fault::new("this is a URL").help("write the address and the port only")
        }
        (host, Some(port)) if host.parse::<Ipv6Addr>().is_ok() => {
            Fault::new("an IPv6 address needs brackets here").help(format!("write \"[{host}]:{port}\""))
        }
        _ => Fault::new(format!("{} is not one", quoted(text))),
    }
}

/// A peer whose forwarded headers are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Every address of this network: `"10.0.0.0/8"`, or one address.
    Network(IpNet),
    /// Whoever connects to a Unix socket: `"unix"`.
    Unix,
}

impl TrustedProxy {
    /// Whether a peer at `ip` is trusted; mapped IPv4 addresses count as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(&ip.to_canonical()),
            Self::Unix => false,
        }
    }
}

impl Scalar for TrustedProxy {
    fn expected() -> String {
        "an IP address, a network such as \"10.0.0.0/8\", or \"unix\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        if text == "unix" {
            return Ok(Self::Unix);
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Network(IpNet::from(ip.to_canonical())));
        }
        let network: IpNet = text.parse().map_err(|_| match text.split_once('/') {
            Some((ip, _)) if ip.parse::<IpAddr>().is_ok() => {
                Fault::new("the prefix length is wrong").help("0 to 32 for IPv4, 0 to 128 for IPv6")
            }
            Some(_) | None => Fault::new(format!("{} is not one", quoted(text))),
        })?;
        if network.trunc() != network {
            let help = format!(
                "\"{}\" for the network, \"{}\" for this one address",
                network.trunc(),
                network.addr()
            );
            return Err(Fault::new("this has bits set behind its prefix").help(help));
        }
        Ok(Self::Network(network))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(unix|[0-9]+(\.[0-9]+){3}(/[0-9]{1,2})?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?)$" })
    }
}
