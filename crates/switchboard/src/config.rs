//! How the switchboard treats requests.

use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use ostler_http::ServerConfig;
use ostler_upstream::EndpointConfig;

/// How the switchboard treats requests.
#[derive(Clone, Debug)]
pub struct SwitchboardConfig {
    /// Bounds for clients.
    pub server: ServerConfig,
    /// Bounds for connections to servers.
    pub endpoint: EndpointConfig,
    /// How long a request waits for a place and for its server to start.
    pub wait_timeout: Duration,
    /// Hosts that one worker thread remembers the way to. Others are looked up again.
    pub remembered_hosts: usize,
    /// What servers are told of the client.
    pub forwarding: Forwarding,
    /// Where the name of the server comes from, besides `Host`.
    pub naming: Naming,
}

impl Default for SwitchboardConfig {
    /// The defaults of its parts, 30 s to wait, 4,096 hosts remembered.
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            endpoint: EndpointConfig::default(),
            wait_timeout: Duration::from_secs(30),
            remembered_hosts: 4096,
            forwarding: Forwarding::default(),
            naming: Naming::default(),
        }
    }
}

/// What is done with `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// Set anew. What a client sent of them is dropped: anybody can claim anything.
    #[default]
    Replace,
    /// The client's address is added to what proxies from these networks sent; for all others as `Replace`.
    Append {
        /// Networks whose word is taken. Clients over a Unix socket are always trusted.
        trusted: Vec<IpNet>,
    },
    /// Removed, and nothing is set: servers do not learn who the client is.
    Remove,
}

/// Where the name of the server comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// A request header that names the host instead of `Host`, where it is present.
    pub app_header: Option<HeaderName>,
    /// Only the first label of a name with dots counts: `shop.example.com` and `shop.localhost` are both `shop`.
    pub first_label: bool,
    /// The host that serves what no rule matches.
    pub default_host: Option<String>,
}
