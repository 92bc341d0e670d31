//! What happens to a server's connections, in words.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::{Phase, Remaining};

/// Something that happened to a server or to one of its connections.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Whose event it is. None for what is about the server as a whole, or about a client that got no connection.
    pub connection: Option<ConnectionId>,
    /// The client's address. None over a Unix socket, and where there is no client.
    pub peer: Option<SocketAddr>,
    /// What is spoken, as far as it is known.
    pub protocol: Protocol,
    /// What happened.
    pub kind: EventKind,
}

/// A connection's number, unique among those of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(crate) u64);

/// A version of HTTP, as far as connections are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1, and whatever has not said yet what it is.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// Which part of a response could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SendSite {
    /// The head of a response.
    SendResponse,
    /// A piece of a body whose length was not known: a chunk, or anything up to the end of the connection.
    SendChunk,
    /// The last chunk, which has no bytes, and the trailers with it.
    SendChunkTerminator,
    /// `100 Continue`.
    SendContinue,
    /// A piece of a body whose length was in the head.
    SendBody,
}

/// What happened. Whatever [ends a connection](EventKind::is_end) is told exactly once for it.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// No connection could be accepted. The server goes on: after a pause when it was its own fault.
    AcceptError {
        /// What the operating system said.
        error: Fault,
        /// Whether the client alone was to blame.
        by_client: bool,
    },
    /// One connection too many: it was answered 503, unless clients speak TLS, and closed.
    ConnectionLimitReached {
        /// How many there may be.
        limit: usize,
    },
    /// An accepted connection could not be made ready to be served, and was closed.
    SocketSetupFailed {
        /// What the operating system said.
        error: Fault,
    },
    /// The client has no address: it came over a Unix socket.
    PeerAddressUnavailable,
    /// An ordinary end: after the last response, or while nothing was asked for.
    ConnectionClosed,
    /// The client went away in the middle of something.
    ClientDisconnected {
        /// Of what.
        phase: Phase,
    },
    /// Nothing was asked for too long.
    IdleTimeout,
    /// A request head took too long.
    HeaderTimeout,
    /// A client and a TLS listener could not agree, or what came was no TLS.
    HandshakeFailed {
        /// Why.
        reason: String,
    },
    /// What came was no request that may be answered. It was answered with a 4xx, where there was one to give.
    RequestParseError {
        /// What is wrong with it.
        reason: String,
    },
    /// A request head, or its trailers, were larger than allowed: answered 431, or 414 for the target. Trailers behind the begin of the
    /// response have it cut.
    HeadersTooLarge,
    /// A request body was larger than allowed: answered 413, or its response cut that had begun.
    BodyTooLarge,
    /// A request body broke off, or was none.
    BodyReadFailed {
        /// How.
        error: Fault,
    },
    /// A request body took too long: answered 408, or the response cut that had begun, or the connection closed behind it.
    BodyReadDeadlineExceeded {
        /// Which of its deadlines passed.
        bound: BodyBound,
    },
    /// A response could not be sent.
    SendFailed {
        /// Which part of it.
        site: SendSite,
        /// What the operating system said.
        error: Fault,
    },
    /// The client did not read its response, or read it too slowly.
    WriteStalled {
        /// Which of the two.
        bound: WriteBound,
    },
    /// The service, or its response body, panicked: answered 500 if nothing had been sent, cut otherwise.
    HandlerPanicked {
        /// What it said.
        message: String,
    },
    /// The service gave an error instead of a response, or its response body did: the connection was cut.
    HandlerFailed {
        /// What it said.
        message: String,
    },
    /// A connection was to speak another protocol, and nobody took it over.
    UpgradeFailed,
    /// Bytes that looked like another request had come when the connection ended. They were not answered.
    PipelinedRequestDropped {
        /// How many.
        bytes: usize,
    },
    /// The connection was reset because the time to drain was up.
    ConnectionAborted {
        /// What it was doing.
        phase: Phase,
    },
    /// A drain passed its deadline.
    ShutdownTimedOut {
        /// What was left then.
        remaining: Remaining,
    },
}

/// The deadlines of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyBound {
    /// For all of it.
    Total,
    /// Between two reads.
    Progress,
    /// For as many bytes as the least rate makes.
    Rate,
}

/// The deadlines of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteBound {
    /// Between two writes.
    Progress,
    /// For as many bytes as the least rate makes.
    Rate,
}

/// What the operating system said, in a form that can be kept and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The kind of error.
    pub kind: io::ErrorKind,
    /// The operating system's number, if it was the operating system.
    pub errno: Option<i32>,
}

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Ordinary, or what any stranger can bring about at will.
    Debug,
    /// A bound that somebody ran into.
    Info,
    /// Clients are turned away or cut off.
    Warn,
    /// Something of ours is broken.
    Error,
}

impl EventKind {
    /// Every name there is, for counts that start at zero.
    pub const NAMES: [&'static str; 22] = [
        "accept_error",
        "connection_limit_reached",
        "socket_setup_failed",
        "peer_address_unavailable",
        "connection_closed",
        "client_disconnected",
        "idle_timeout",
        "header_timeout",
        "handshake_failed",
        "request_parse_error",
        "headers_too_large",
        "body_too_large",
        "body_read_failed",
        "body_read_deadline_exceeded",
        "send_failed",
        "write_stalled",
        "handler_panicked",
        "handler_failed",
        "upgrade_failed",
        "pipelined_request_dropped",
        "connection_aborted",
        "shutdown_timed_out",
    ];

    pub(crate) const SEND_FAILED: &'static str = "send_failed";

    /// A stable name in snake case: the label in metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AcceptError { .. } => "accept_error",
            Self::ConnectionLimitReached { .. } => "connection_limit_reached",
            Self::SocketSetupFailed { .. } => "socket_setup_failed",
            Self::PeerAddressUnavailable => "peer_address_unavailable",
            Self::ConnectionClosed => "connection_closed",
            Self::ClientDisconnected { .. } => "client_disconnected",
            Self::IdleTimeout => "idle_timeout",
            Self::HeaderTimeout => "header_timeout",
            Self::HandshakeFailed { .. } => "handshake_failed",
            Self::RequestParseError { .. } => "request_parse_error",
            Self::HeadersTooLarge => "headers_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyReadFailed { .. } => "body_read_failed",
            Self::BodyReadDeadlineExceeded { .. } => "body_read_deadline_exceeded",
            Self::SendFailed { .. } => Self::SEND_FAILED,
            Self::WriteStalled { .. } => "write_stalled",
            Self::HandlerPanicked { .. } => "handler_panicked",
            Self::HandlerFailed { .. } => "handler_failed",
            Self::UpgradeFailed => "upgrade_failed",
            Self::PipelinedRequestDropped { .. } => "pipelined_request_dropped",
            Self::ConnectionAborted { .. } => "connection_aborted",
            Self::ShutdownTimedOut { .. } => "shutdown_timed_out",
        }
    }

    /// Whether it is the end of a connection, of which there is exactly one. Over HTTP/2 what is about one stream is not.
    pub fn is_end(&self) -> bool {
        match self {
            Self::ConnectionClosed
            | Self::ClientDisconnected { .. }
            | Self::IdleTimeout
            | Self::HeaderTimeout
            | Self::HandshakeFailed { .. }
            | Self::RequestParseError { .. }
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::BodyReadFailed { .. }
            | Self::BodyReadDeadlineExceeded { .. }
            | Self::SendFailed { .. }
            | Self::WriteStalled { .. }
            | Self::HandlerPanicked { .. }
            | Self::HandlerFailed { .. }
            | Self::UpgradeFailed
            | Self::ConnectionAborted { .. } => true,
            Self::AcceptError { .. }
            | Self::ConnectionLimitReached { .. }
            | Self::SocketSetupFailed { .. }
            | Self::PeerAddressUnavailable
            | Self::PipelinedRequestDropped { .. }
            | Self::ShutdownTimedOut { .. } => false,
        }
    }

    /// How much an operator should care.
    pub fn severity(&self) -> Severity {
        match self {
            Self::AcceptError { by_client: true, .. }
            | Self::PeerAddressUnavailable
            | Self::ConnectionClosed
            | Self::ClientDisconnected { .. }
            | Self::IdleTimeout
            | Self::HeaderTimeout
            | Self::HandshakeFailed { .. }
            | Self::RequestParseError { .. }
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::BodyReadFailed { .. }
            | Self::SendFailed { .. }
            | Self::PipelinedRequestDropped { .. } => Severity::Debug,
            Self::BodyReadDeadlineExceeded { .. } | Self::WriteStalled { .. } => Severity::Info,
            Self::ConnectionLimitReached { .. }
            | Self::SocketSetupFailed { .. }
            | Self::HandlerFailed { .. }
            | Self::UpgradeFailed
            | Self::ConnectionAborted { .. }
            | Self::ShutdownTimedOut { .. } => Severity::Warn,
            Self::AcceptError { by_client: false, .. } | Self::HandlerPanicked { .. } => Severity::Error,
        }
    }
}

impl SendSite {
    /// Every site.
    pub const ALL: [Self; 5] =
        [Self::SendResponse, Self::SendChunk, Self::SendChunkTerminator, Self::SendContinue, Self::SendBody];

    /// A stable name in snake case: the label in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendResponse => "send_response",
            Self::SendChunk => "send_chunk",
            Self::SendChunkTerminator => "send_chunk_terminator",
            Self::SendContinue => "send_continue",
            Self::SendBody => "send_body",
        }
    }
}

impl From<&io::Error> for Fault {
    fn from(error: &io::Error) -> Self {
        Self { kind: error.kind(), errno: error.raw_os_error() }
    }
}

impl From<io::ErrorKind> for Fault {
    fn from(kind: io::ErrorKind) -> Self {
        Self { kind, errno: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            Some(errno) => io::Error::from_raw_os_error(errno).fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1",
            Self::Http2 => "HTTP/2",
        })
    }
}
