//! How the switchboard treats requests.

use std::net::IpAddr;
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
    /// How long a WebSocket that one side has closed waits for the other side.
    pub half_closed_timeout: Duration,
    /// How many times a request may pass: it is counted by the elements of `Via` that are the switchboard's, so other Ostlers on
    /// its way count too. One that comes once more is in a loop.
    pub max_passes: usize,
    /// Hosts that one worker thread remembers the way to. Others are looked up again.
    pub remembered_hosts: usize,
    /// The proxies in front of this one whose word is taken.
    pub trust: Trust,
    /// What servers are told of the client.
    pub forwarding: Forwarding,
    /// What is done with the request id. Only a trusted proxy's is believed.
    pub request_id: Identity,
    /// The header that carries the request id.
    pub request_id_header: HeaderName,
    /// What is done with `traceparent` and `tracestate` (W3C Trace Context). Anybody's is believed.
    pub trace_context: Identity,
    /// Where the name of the server comes from when `Host` has no rule.
    pub naming: Naming,
}

impl Default for SwitchboardConfig {
    /// The defaults of its parts, 30 s to wait, 1 s for the other side of a WebSocket, 10 passes, 4,096 hosts
    /// remembered.
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            endpoint: EndpointConfig::default(),
            wait_timeout: Duration::from_secs(30),
            half_closed_timeout: Duration::from_secs(1),
            max_passes: 10,
            remembered_hosts: 4096,
            trust: Trust::default(),
            forwarding: Forwarding::default(),
            request_id: Identity::default(),
            request_id_header: HeaderName::from_static("x-request-id"),
            trace_context: Identity::default(),
            naming: Naming::default(),
        }
    }
}

/// What is done with `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239). `X-Real-IP` and the rest of `X-Forwarded-*`
/// are kept or dropped in the same way, and never written. Spellings such as `X_Forwarded_For` are always dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// What a trusted proxy has sent is kept and the client's address added; what others have sent is dropped first, since
    /// anybody can claim anything.
    #[default]
    Append,
    /// What was sent, by anyone, is dropped, and the client's address set.
    Replace,
    /// What was sent is dropped and nothing is set: servers do not learn who the client is.
    Remove,
}

/// What is done with an id that comes with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// One that may be believed is kept; a request without one gets a new one.
    #[default]
    Keep,
    /// Every request gets a new one.
    Replace,
    /// What was sent is passed on, and nothing is made.
    Pass,
}

/// The proxies in front of this one whose word is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// By their address.
    pub networks: Vec<IpNet>,
    /// Whoever connects to a Unix socket.
    pub unix: bool,
}

impl Trust {
    /// Whether the word of `peer` is taken. None is the peer of a Unix socket.
    pub fn includes(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(peer) => self.networks.iter().any(|network| network.contains(&peer.to_canonical())),
            None => self.unix,
        }
    }
}

/// Where the name of the server comes from when the request's own host has no rule, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Whether the first label of a host is searched as a name of its own: `shop.example.com` and `shop.localhost` then both
    /// go to `shop`.
    pub first_label: bool,
    /// A request header that names the host to serve.
    pub app_header: Option<HeaderName>,
    /// The host that serves the rest.
    pub default_host: Option<String>,
}
