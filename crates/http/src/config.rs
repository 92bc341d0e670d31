//! The bounds of one server.

use std::time::Duration;

/// What a server allows its clients, and how long it waits for them.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections served at once. One more is told 503 and closed.
    pub max_connections: usize,
    /// How long a connection may stay open between two requests. It takes twice as long to end one whose client does not
    /// read the end of its response, or does not send the end of a request that has been answered.
    pub idle_timeout: Duration,
    /// How long a client may take to send a whole request head, from its first byte.
    pub header_timeout: Duration,
    /// Bytes of one request head.
    pub max_head_size: usize,
    /// Header fields of one request.
    pub max_headers: usize,
    /// How long a drain may take when the server's scope is halted; it gets less when the scope has less left.
    pub drain_timeout: Duration,
}

impl Default for ServerConfig {
    /// 10,000 connections, 60 s idle, 30 s for a head of 64 KiB and 100 fields, 10 s to drain.
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            idle_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(30),
            max_head_size: 64 * 1024,
            max_headers: 100,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl ServerConfig {
    /// How often the sweep looks for connections past their time: an eighth of the shortest bound, 20 ms to 1 s.
    pub(crate) fn sweep_interval(&self) -> Duration {
        let shortest = self.idle_timeout.min(self.header_timeout);
        (shortest / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }
}
