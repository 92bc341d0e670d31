//! A server that runs already: the value of `url`.

use std::fmt;
use std::net::SocketAddr;

use http::Uri;
use ostler_net::{Address, HostError, HostName};
use schemars::{Schema, json_schema};

use crate::document::Value;
use crate::setting::{Fault, Scalar};
use crate::words::quoted;

/// Where a server that runs already is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// At a fixed address: `http://127.0.0.1:9999`, or `unix:/path`.
    Address(Address),
    /// At the addresses of a name, which has to be looked up: `http://db.internal:9999`.
    Name {
        /// The name in its normal form.
        host: HostName,
        /// The port; 80 if the URL has none.
        port: u16,
    },
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(Address::Tcp(address)) => write!(f, "http://{address}"),
            Self::Address(address @ Address::Unix(_)) => address.fmt(f),
            Self::Name { host, port } => write!(f, "http://{host}:{port}"),
        }
    }
}

impl Scalar for Upstream {
    fn expected() -> String {
        "a URL such as \"http://127.0.0.1:9999\" or \"unix:/path\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(Fault::new("`unix:` needs the path of a socket")),
                path => Ok(Self::Address(Address::Unix(path.into()))),
            };
        }
        if text.contains('#') {
            return Err(Fault::new("a fragment has no meaning here"));
        }
        let uri: Uri = text.parse().map_err(|_| Fault::new("this is not a URL"))?;
        let Some(authority) = uri.authority() else { return Err(Fault::new("the host is missing")) };
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(Fault::new("`https` is not in this version of Ostler")),
            Some(other) => return Err(Fault::new(format!("{} is not `http`", quoted(other)))),
            None => return Err(Fault::new("the scheme is missing").help(format!("write \"http://{text}\""))),
        }
        if authority.as_str().contains('@') {
            return Err(Fault::new("a user name or password has no meaning here"));
        }
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/" | "")) {
            let help = format!("write \"http://{authority}\": the path of each request is kept");
            return Err(Fault::new("a path has no meaning here").help(help));
        }
        let port = match (authority.port_u16(), authority.as_str().ends_with(authority.host())) {
            (Some(0), _) => return Err(Fault::new("nothing listens on port 0")),
            (Some(port), _) => port,
            (None, true) => 80,
            (None, false) => return Err(Fault::new("the port is wrong").help("1 to 65535")),
        };
        if let Ok(ip) = authority.host().trim_matches(['[', ']']).parse() {
            return Ok(Self::Address(Address::Tcp(SocketAddr::new(ip, port))));
        }
        let host = authority.host().parse().map_err(|error: HostError| Fault::new(error.to_string()))?;
        Ok(Self::Name { host, port })
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(http://[^/?#@]+/?|unix:.+)$",
            "examples": ["http://127.0.0.1:9999"],
        })
    }
}
