//! The bounds of one endpoint.

use std::time::Duration;

/// How connections to a server are opened and kept.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept by one thread for one server.
    pub max_idle: usize,
}

impl Default for EndpointConfig {
    /// 5 s to connect, 30 s idle, 256 unused connections.
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(5), idle_timeout: Duration::from_secs(30), max_idle: 256 }
    }
}
