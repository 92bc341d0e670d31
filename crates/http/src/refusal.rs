//! Requests that are refused before anybody sees them (RFC 9112, sections 3.2 and 6.1; RFC 9110, section 10.1.1).

use std::fmt;

use hyper::header::{EXPECT, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, StatusCode, Version};

use crate::EventKind;

/// Why a request is refused. The connection is closed after the answer, since the two sides may not agree on where the next
/// request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A transfer coding besides `chunked`, or `chunked` more than once.
    TransferCoding,
    /// Two `Host` fields.
    ManyHosts,
    /// HTTP/1.1 without a `Host` field.
    NoHost,
    /// `*` with another method than OPTIONS.
    Asterisk,
    /// An expectation that is not `100-continue`.
    Expectation,
    /// A header field larger than allowed.
    HeaderTooLarge,
    /// More header fields than allowed.
    ManyHeaders,
    /// Trailers larger than allowed.
    TrailersTooLarge,
    /// A body larger than allowed.
    BodyTooLarge,
}

/// Finds what HTTP forbids and hyper lets through, because other servers may read it differently.
///
/// # Errors
/// The [`Refusal`].
pub fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    check_codings(request.headers())?;
    check_target(request)?;
    check_expectation(request.headers())?;
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Refusal::ManyHosts),
        (None, _) if request.version() == Version::HTTP_11 => Err(Refusal::NoHost),
        (Some(_) | None, None | Some(_)) => Ok(()),
    }
}

/// The part of [`check`] about `Transfer-Encoding`.
///
/// # Errors
/// [`Refusal::TransferCoding`].
pub fn check_codings(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if chunked && codings.next().is_none() { Ok(()) } else { Err(Refusal::TransferCoding) }
}

/// The part of [`check`] about the target.
///
/// # Errors
/// [`Refusal::Asterisk`].
pub fn check_target<B>(request: &Request<B>) -> Result<(), Refusal> {
    let asterisk = request.uri().path() == "*" && request.method() != Method::OPTIONS;
    if asterisk { Err(Refusal::Asterisk) } else { Ok(()) }
}

/// The part of [`check`] about `Expect`.
///
/// # Errors
/// [`Refusal::Expectation`].
pub fn check_expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(EXPECT).iter();
    if values.all(is_known_expectation) { Ok(()) } else { Err(Refusal::Expectation) }
}

/// Whether each member is the one expectation that there is (RFC 9110, section 10.1.1).
fn is_known_expectation(expect: &HeaderValue) -> bool {
    let mut members = expect.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.all(|member| member.is_empty() || member.eq_ignore_ascii_case(b"100-continue"))
}

/// Finds a header field of more than `most` bytes.
pub(crate) fn check_sizes(headers: &HeaderMap, most: usize) -> Result<(), Refusal> {
    let fits = headers.iter().all(|(name, value)| name.as_str().len() + value.len() <= most);
    if fits { Ok(()) } else { Err(Refusal::HeaderTooLarge) }
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TransferCoding | Self::ManyHosts | Self::NoHost | Self::Asterisk => StatusCode::BAD_REQUEST,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeaderTooLarge | Self::ManyHeaders | Self::TrailersTooLarge => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// What is wrong.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TransferCoding => "the only transfer coding is chunked, once",
            Self::ManyHosts => "more than one Host field",
            Self::NoHost => "no Host field",
            Self::Asterisk => "only OPTIONS asks about the server as a whole",
            Self::Expectation => "the only expectation that is met is 100-continue",
            Self::HeaderTooLarge => "a header field is larger than allowed",
            Self::ManyHeaders => "more header fields than allowed",
            Self::TrailersTooLarge => "the trailers are larger than allowed",
            Self::BodyTooLarge => "the request body is larger than allowed",
        }
    }

    /// What the observer is told.
    pub(crate) fn event(self) -> EventKind {
        match self {
            Self::TransferCoding | Self::ManyHosts | Self::NoHost | Self::Asterisk | Self::Expectation => {
                EventKind::RequestParseError { reason: self.reason().to_owned() }
            }
            Self::HeaderTooLarge | Self::ManyHeaders | Self::TrailersTooLarge => EventKind::HeadersTooLarge,
            Self::BodyTooLarge => EventKind::BodyTooLarge,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}
