//! Error answers as problem details for HTTP APIs (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use ostler_scope::BoxError;
use serde::Serialize;

/// Why the switchboard itself answers a request. Clients are told what they can act on; what a server printed and how
/// it was started is for the admin side alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// The request is one that must not be forwarded.
    BadRequest(&'static str),
    /// The request expects something other than 100-continue. Nothing was started.
    ExpectationFailed,
    /// The request has passed here too often. Nothing was started.
    LoopDetected,
    /// No rule has this host. Nothing was started.
    UnknownHost,
    /// The server could not be started.
    StartFailed,
    /// The server failed to start again and again; nothing was tried this time.
    BackingOff(Duration),
    /// The server was not ready in time.
    StartTimedOut,
    /// Every place is taken by a server in use.
    Full(Duration),
    /// The request waited for a place or a start as long as it may.
    WaitTimedOut,
    /// Nobody accepts connections where the server should be.
    Unreachable,
    /// The server closed the connection without a response.
    UpstreamDied,
    /// Ostler is shutting down.
    Draining,
}

/// A problem, and what the admin side is told of it besides.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) problem: Problem,
    pub(crate) cause: Option<BoxError>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, cause: None }
    }
}

impl Refusal {
    pub(crate) fn new(problem: Problem, cause: impl Into<BoxError>) -> Self {
        Self { problem, cause: Some(cause.into()) }
    }

    /// Writes it to the log under the id that the client is told.
    pub(crate) fn log(&self, request_id: Option<&str>, host: Option<&str>) {
        let problem = self.problem.name();
        let cause = self.cause.as_deref().map(|cause| cause as &dyn std::error::Error);
        if self.problem.status().is_server_error() {
            tracing::info!(request_id, host, problem, cause, "request failed");
        } else {
            // Strangers can ask for anything as often as they like.
            tracing::debug!(request_id, host, problem, cause, "request refused");
        }
    }
}

/// The members of RFC 9457, and the id under which the admin side knows more.
#[derive(Serialize)]
struct Details<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    /// The status code of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::LoopDetected => StatusCode::LOOP_DETECTED,
            Self::UnknownHost => StatusCode::NOT_FOUND,
            Self::StartFailed | Self::Unreachable | Self::UpstreamDied => StatusCode::BAD_GATEWAY,
            Self::StartTimedOut | Self::WaitTimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::BackingOff(_) | Self::Full(_) | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A stable name: the last part of the problem's `type`, and its label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad-request",
            Self::ExpectationFailed => "expectation-failed",
            Self::LoopDetected => "loop-detected",
            Self::UnknownHost => "unknown-host",
            Self::StartFailed => "start-failed",
            Self::BackingOff(_) => "backing-off",
            Self::StartTimedOut => "start-timed-out",
            Self::Full(_) => "full",
            Self::WaitTimedOut => "wait-timed-out",
            Self::Unreachable => "unreachable",
            Self::UpstreamDied => "upstream-died",
            Self::Draining => "draining",
        }
    }

    /// Every name there is, for metrics that start at zero.
    pub const NAMES: [&'static str; 12] = [
        "bad-request",
        "expectation-failed",
        "loop-detected",
        "unknown-host",
        "start-failed",
        "backing-off",
        "start-timed-out",
        "full",
        "wait-timed-out",
        "unreachable",
        "upstream-died",
        "draining",
    ];

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "Bad request",
            Self::ExpectationFailed => "Expectation failed",
            Self::LoopDetected => "Loop detected",
            Self::UnknownHost => "Unknown host",
            Self::StartFailed => "The server could not be started",
            Self::BackingOff(_) => "The server keeps failing to start",
            Self::StartTimedOut => "The server was not ready in time",
            Self::Full(_) => "No room for another server",
            Self::WaitTimedOut => "Waited too long for the server",
            Self::Unreachable => "The server is not reachable",
            Self::UpstreamDied => "The server closed the connection",
            Self::Draining => "Shutting down",
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::BadRequest(why) => why,
            Self::ExpectationFailed => "the only expectation that can be met is 100-continue",
            Self::LoopDetected => "the request has come back here, by way of the servers it was passed on to",
            Self::UnknownHost => "no server is configured for this host name",
            Self::StartFailed => "the operator finds the reason under this request id",
            Self::BackingOff(_) => "the next start is tried after a pause",
            Self::StartTimedOut => "it was started, and stopped again when its time to become ready was up",
            Self::Full(_) => "the maximum of servers is running and all of them are in use",
            Self::WaitTimedOut => "neither a free place nor a ready server in the time a request may wait",
            Self::Unreachable => "it accepts no connections",
            Self::UpstreamDied => "it gave no complete response head",
            Self::Draining => "no new requests are taken",
        }
    }

    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::BackingOff(after) | Self::Full(after) => Some(after),
            Self::Draining => Some(Duration::from_secs(1)),
            Self::BadRequest(_)
            | Self::ExpectationFailed
            | Self::LoopDetected
            | Self::UnknownHost
            | Self::StartFailed
            | Self::StartTimedOut
            | Self::WaitTimedOut
            | Self::Unreachable
            | Self::UpstreamDied => None,
        }
    }

    /// The answer, with `application/problem+json` as its body.
    pub(crate) fn response(self, request_id: Option<&str>) -> Response<Bytes> {
        let details = Details {
            r#type: format!("urn:ostler:problem:{}", self.name()),
            title: self.title(),
            status: self.status().as_u16(),
            detail: self.detail(),
            request_id,
        };
        let mut body = serde_json::to_vec(&details).expect("a struct of strings and a number is JSON");
        body.push(b'\n');
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after() {
            // Rounded up: a client that comes back a moment early would be refused again.
            let seconds = after.as_millis().div_ceil(1000).max(1) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
