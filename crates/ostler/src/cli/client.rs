//! The command line's side of the admin API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{Method, Request, Response};
use ostler_config::Origin;
use ostler_net::Address;
use ostler_upstream::{FetchError, fetch};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::CONFIGURATION;
use super::check::load;
use super::failure::Failure;
use crate::admin::PROBLEMS;

/// The longest answer that is read, in bytes: the largest pool there can be fits.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The variable that overrides `admin.listen`.
const VARIABLE: &str = "OSTLER_ADMIN__LISTEN";

/// How long an answer about what is known may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How to find the admin listener.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Target {
    /// The admin listener of the Ostler to ask, such as `127.0.0.1:8001` or `unix:/run/ostler.sock`. Default: the first
    /// `admin.listen` of the configuration.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<AdminAddress>,
}

/// An address as people write it: also `localhost:8001` and `http://127.0.0.1:8001/`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AdminAddress(Address);

/// Asks one Ostler.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) address: Address,
    /// Who says that it listens there.
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Argument,
    Variable(String),
    File(PathBuf),
    Default,
}

/// What a problem document says.
#[derive(Debug, Deserialize)]
struct Problem {
    r#type: String,
    detail: String,
}

impl FromStr for AdminAddress {
    type Err = ostler_net::AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let port = place.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        match port {
            Some(port) => Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())),
            None if text.starts_with("unix:") => text.parse().map(Self),
            None => place.parse().map(Self),
        }
    }
}

impl Client {
    /// The Ostler that the command line names, or the one of the configuration.
    pub(super) fn find(target: &Target, config: Option<&Path>) -> Result<Self, Failure> {
        if let Some(AdminAddress(address)) = &target.admin {
            return Ok(Self { address: address.clone(), source: Source::Argument });
        }
        let loaded = load(config).map_err(Failure::Silent)?;
        let mut variables = loaded.overridden_by.into_iter();
        let source = match (variables.find(|name| name.eq_ignore_ascii_case(VARIABLE)), loaded.origin) {
            (Some(variable), _) => Source::Variable(variable),
            (None, Origin::File(path)) => Source::File(path),
            (None, Origin::Quickstart) => Source::Default,
        };
        let Some(address) = loaded.config.admin.listen.into_iter().next() else {
            return Err(Failure::new("the configuration has no `admin.listen`").code(CONFIGURATION));
        };
        if address.port() == Some(0) {
            let message =
                format!("`admin.listen` is {address}: the system chose the port when Ostler started");
            return Err(Failure::new(message)
                .help("`ostler up` has printed the real one: give it with --admin ADDRESS")
                .code(CONFIGURATION));
        }
        Ok(Self { address, source })
    }

    /// A request without a body. It names the listener's own address as its host, which is always allowed.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, Failure> {
        let host = match &self.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let agent = concat!("ostler/", env!("CARGO_PKG_VERSION"));
        Ok(Request::builder().method(method).uri(path).header(HOST, host).header(USER_AGENT, agent))
    }

    /// Asks, and reads the JSON of the answer. `patience` is how long that may take; None for as long as it takes.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        patience: Option<Duration>,
    ) -> Result<T, Failure> {
        let request =
            self.request(method, path)?.body(()).map_err(|error| Failure::new(error.to_string()))?;
        let asking = fetch(&self.address, request, LONGEST_ANSWER);
        let response = match patience {
            Some(patience) => timeout(patience, asking).await.map_err(|_| self.silent(patience))?,
            None => asking.await,
        };
        let response = response.map_err(|error| self.unanswered(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(&response));
        }
        serde_json::from_slice(response.body()).map_err(|_| self.stranger())
    }

    /// What a refusal says, if it is one of the admin API: the switchboard's problems have the same form.
    pub(super) fn refused(&self, response: &Response<Bytes>) -> Failure {
        let problem = serde_json::from_slice::<Problem>(response.body()).ok();
        let named = problem.and_then(|problem| {
            let name = problem.r#type.strip_prefix("urn:ostler:problem:")?.to_owned();
            PROBLEMS.contains(&&*name).then_some(Failure::Refused { problem: name, detail: problem.detail })
        });
        named.unwrap_or_else(|| self.stranger())
    }

    /// Nobody is there, or nobody who speaks HTTP.
    pub(super) fn unanswered(&self, error: &FetchError) -> Failure {
        match error {
            FetchError::Connect { source, .. } => self.absent(source),
            FetchError::Exchange { .. } => Failure::new(format!("{} broke off: {error}", self.address))
                .help("was Ostler ended meanwhile? its own output says why"),
            FetchError::TooLong { .. } => self.stranger(),
        }
    }

    /// Nobody accepts connections there.
    pub(super) fn absent(&self, error: &std::io::Error) -> Failure {
        let failure = Failure::new(format!("no Ostler answers at {}: {}", self.address, reason(error)));
        match &self.source {
            Source::Argument => failure.help("is `ostler up` running? it prints the address of its admin listener"),
            Source::Variable(name) => failure
                .help(format!("that is what {name} says"))
                .help("is `ostler up` running with the same environment? if it listens elsewhere, say --admin ADDRESS"),
            Source::File(path) => failure
                .help(format!("that is `admin.listen` of {}", path.display()))
                .help("is `ostler up` running with the same configuration? if it listens elsewhere, say --admin ADDRESS"),
            Source::Default => failure
                .help("that is the default, as there is no ostler.toml here")
                .help("is `ostler up` running? if its configuration is elsewhere, say --config FILE or --admin ADDRESS"),
        }
    }

    fn silent(&self, patience: Duration) -> Failure {
        let message = format!("{} has not answered in {} seconds", self.address, patience.as_secs());
        Failure::new(message).help("something listens there, but is stuck or is not Ostler")
    }

    fn stranger(&self) -> Failure {
        Failure::new(format!("what answers at {} is not the admin API of Ostler", self.address))
            .help("the switchboard's address is another one: --admin takes that of the admin listener")
    }
}

/// What the operating system says, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_people_write_it() {
        for (text, address) in [
            ("127.0.0.1:8001", "127.0.0.1:8001"),
            ("http://127.0.0.1:8001/", "127.0.0.1:8001"),
            ("localhost:8001", "127.0.0.1:8001"),
            ("[::1]:8001", "[::1]:8001"),
            ("unix:/run/ostler.sock", "unix:/run/ostler.sock"),
        ] {
            assert_eq!(text.parse::<AdminAddress>().unwrap().0.to_string(), address);
        }
        assert!("shop:8001".parse::<AdminAddress>().is_err());
    }
}
