//! What an endpoint is called, and its bounds.

use std::sync::Arc;
use std::time::Duration;

use crate::{Audit, Authorizer, Limits};

/// What an endpoint is called, and its bounds.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Who may use it; None if everybody may who can reach it.
    pub auth: Option<Arc<Authorizer>>,
    /// What one principal may ask.
    pub limits: Limits,
    /// Where calls are recorded, if they are.
    pub audit: Option<Audit>,
    /// The path that it answers at.
    pub path: String,
    /// The name of the server, for clients.
    pub name: String,
    /// Its version, for clients.
    pub version: String,
    /// How the server is best used, for models.
    pub instructions: Option<String>,
    /// The hosts that requests may be for, besides the names of this machine's loopback, in lower case and without a port. Others
    /// are refused, so that a web page cannot reach the endpoint by a name that it has made lead here.
    pub hosts: Vec<String>,
    /// The origins of web pages that may use the endpoint, besides those served from loopback, such as `https://app.example`.
    pub origins: Vec<String>,
    /// How long clients may take lists for true.
    pub list_ttl: Duration,
    /// How long a client may come back with the state of a round.
    pub state_ttl: Duration,
    /// Characters of a `requestState` that is a whole session, at most: see
    /// [`Sessions::start_sealed`](ostler_tools::Sessions::start_sealed).
    pub max_state: usize,
    /// How long a response may be silent before the client is told that it goes on.
    pub heartbeat: Duration,
    /// How long a client's session is good for, in the revisions that have such.
    pub session_ttl: Duration,
    /// How long such a client is kept at a stream before it is asked to come back for the rest, if it knows how.
    pub stream_hold: Duration,
    /// When a client comes back whose stream has ended.
    pub retry: Duration,
    /// How often clients should look what has become of a task.
    pub poll_interval: Duration,
    /// Progress and log messages that wait for a client before the tool does.
    pub events_buffer: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            auth: None,
            limits: Limits::default(),
            audit: None,
            path: "/mcp".into(),
            name: "ostler".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            instructions: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            list_ttl: Duration::from_secs(60),
            state_ttl: Duration::from_hours(24),
            max_state: 64 << 10,
            heartbeat: Duration::from_secs(15),
            session_ttl: Duration::from_hours(30 * 24),
            stream_hold: Duration::from_mins(5),
            retry: Duration::from_secs(1),
            poll_interval: Duration::from_secs(1),
            events_buffer: 32,
        }
    }
}
