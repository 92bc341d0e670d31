//! The bounds of one server.

use std::time::Duration;

use ostler_tls::Tls;
use tokio_util::sync::CancellationToken;

/// What a server allows its clients, and how long it waits for them.
///
/// Bounds that are an option can be switched off with None, and then cost nothing.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections served at once. One more is told 503 and closed; with [`tls`](Self::tls) it is closed without a word, since
    /// its client is about to shake hands.
    pub max_connections: usize,
    /// How long to wait before the next try when no connection can be accepted for a reason of ours, such as too many open
    /// files.
    pub accept_backoff: Duration,
    /// Nobody is accepted before this fires; who comes meanwhile waits in the system's queue. For a process that listens before it is
    /// in charge.
    pub opening: Option<CancellationToken>,
    /// How long a connection may stay open between two requests, from when the client has read its response. Without a
    /// [`write_timeout`](Self::write_timeout) a client that stops reading the end of its response is reset when it has read nothing
    /// for twice as long.
    pub idle_timeout: Duration,
    /// How long a client may take to send a whole request head, from its first byte. Then it is answered 408.
    pub header_timeout: Duration,
    /// Bytes of one request head. A larger one is answered 431.
    pub max_head_size: usize,
    /// Header fields of one request. With more it is answered 431.
    pub max_headers: usize,
    /// The bounds that only HTTP/2 needs.
    pub http2: Http2Config,
    /// Encrypts what is accepted. Without it nothing is.
    pub tls: Option<Tls>,
    /// Bytes of one header field, name and value. A larger one is answered 431.
    pub max_header_size: Option<usize>,
    /// Bytes of the trailers of one request. Larger ones are answered 431.
    pub max_trailer_size: Option<usize>,
    /// Bytes of one request body. A larger one is answered 413.
    pub max_body_size: Option<u64>,
    /// How long a request body may take, from the first look of the service at it. Then the request is answered 408; a response
    /// that has begun is cut, and behind a whole one the connection is closed.
    pub body_timeout: Option<Duration>,
    /// How long the next bytes of a request body may take once the service waits for them, until it looks at the body again. Then
    /// it is ended as at [`body_timeout`](Self::body_timeout).
    pub read_timeout: Option<Duration>,
    /// Bytes a second that a request body must come with while the service waits for it.
    pub min_receive_rate: Option<u64>,
    /// How long a client may take to read the next bytes of a response, to its last one. Then it is reset. It holds
    /// for what an upgraded connection is sent, too.
    pub write_timeout: Option<Duration>,
    /// Bytes a second that a client must read a response with while there are more for it. It holds in a drain too; where it is
    /// switched off, and [`write_timeout`](Self::write_timeout) with it, a drain has no rate of its own, since then clients may
    /// read as slowly as they like until its deadline, which resets them.
    pub min_send_rate: Option<u64>,
    /// Over how long the two rates are measured.
    pub rate_window: Duration,
    /// How long a client that goes on sending behind its last response is listened to, so that it sees that response.
    pub linger_timeout: Duration,
    /// How many bytes of it are read and thrown away.
    pub linger_size: u64,
    /// Whether requests that HTTP forbids are refused here. Without it the service must do so; see [`check`](crate::check).
    pub admission: Admission,
    /// How long a server that is to drain goes on accepting, with `Connection: close` in its responses.
    pub lame_duck: Duration,
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

/// Who refuses the requests that HTTP forbids but its parser lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The server, before the service sees them.
    Server,
    /// The service, in its own words.
    Service,
}

impl Default for ServerConfig {
    /// For a server of one's own: every bound is on.
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            accept_backoff: Duration::from_millis(50),
            opening: None,
            idle_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(30),
            max_head_size: 64 * 1024,
            max_headers: 100,
            http2: Http2Config::default(),
            tls: None,
            max_header_size: Some(8 * 1024),
            max_trailer_size: Some(8 * 1024),
            max_body_size: Some(1024 * 1024),
            body_timeout: Some(Duration::from_secs(60)),
            read_timeout: Some(Duration::from_secs(30)),
            min_receive_rate: Some(256),
            write_timeout: Some(Duration::from_secs(30)),
            min_send_rate: Some(256),
            rate_window: Duration::from_secs(20),
            linger_timeout: Duration::from_secs(10),
            linger_size: 64 * 1024 * 1024,
            admission: Admission::Server,
            lame_duck: Duration::ZERO,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl ServerConfig {
    /// For a proxy: what a body may be is for the servers behind it to say, and refusals are its own.
    pub fn proxy() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            max_header_size: None,
            max_trailer_size: None,
            max_body_size: None,
            body_timeout: None,
            read_timeout: None,
            min_receive_rate: None,
            write_timeout: Some(Duration::from_secs(60)),
            admission: Admission::Service,
            ..Self::default()
        }
    }

    /// How often the sweep looks for connections past their time: an eighth of the shortest bound, 20 ms to 1 s.
    pub(crate) fn sweep_interval(&self) -> Duration {
        let rate = self.min_receive_rate.or(self.min_send_rate).map(|_| self.rate_window);
        let bounds = [self.body_timeout, self.read_timeout, self.write_timeout, rate];
        let always = self.idle_timeout.min(self.header_timeout).min(self.linger_timeout);
        let shortest = bounds.into_iter().flatten().fold(always, Duration::min);
        (shortest / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }
}
