//! The bounds of one server.

use std::time::Duration;

use ostler_tls::Tls;

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
    /// The bounds that only HTTP/2 needs.
    pub http2: Http2Config,
    /// Encrypts what is accepted. Without it nothing is.
    pub tls: Option<Tls>,
    /// How long a drain may take when the server's scope is halted; it gets less when the scope has less left.
    pub drain_timeout: Duration,
}

/// The bounds that only HTTP/2 needs.
#[derive(Clone, Debug)]
pub struct Http2Config {
    /// Requests under way at once on one connection. One more is refused, and the client may repeat it.
    pub max_streams: u32,
    /// Requests that a client may take back before they were looked at, and errors of streams that it may make. One more ends
    /// the connection.
    pub max_resets: usize,
    /// Bytes of request bodies that wait in memory, for each connection.
    pub window: u32,
    /// Bytes of a response that wait in memory.
    pub send_buffer: u32,
    /// How often a client that says nothing is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long it may take to answer that, and to answer the notice that the connection ends.
    pub ping_timeout: Duration,
}

impl Default for Http2Config {
    /// 128 requests at once, 32 of them taken back, 1 MiB of bodies, 128 KiB of a response, a PING each 20 s and 10 s for its
    /// answer.
    fn default() -> Self {
        Self {
            max_streams: 128,
            max_resets: 32,
            window: 1024 * 1024,
            send_buffer: 128 * 1024,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
        }
    }
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
            http2: Http2Config::default(),
            tls: None,
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
