//! What reads strangers' bytes, for the fuzz targets alone. No promise is kept about any of it.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

use crate::config::{Forwarding, Identity, Naming, Trust};
use crate::fields::Fields;
use crate::forwarded::Introduction;
use crate::frames::Frames;
use crate::trace::{Identities, Inventor};
use crate::{Problem, hop, request};

/// Follows WebSocket frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower(Frames);

impl Follower {
    /// Whether the last frame has ended and the next has not begun.
    pub fn is_between(&self) -> bool {
        self.0.is_between()
    }

    /// Whether a Close frame has passed.
    pub fn has_closed(&self) -> bool {
        self.0.has_closed()
    }

    /// Goes over all of `bytes`.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.0.pass(bytes);
    }

    /// Goes to the end of the frame that is under way, and says how many of `bytes` belong to it.
    pub fn finish(&mut self, bytes: &[u8]) -> usize {
        self.0.finish(bytes)
    }
}

/// Brings a request into the form in which it is forwarded, and says for which host it is.
///
/// # Errors
/// It is refused.
pub fn admit(request: &mut Request<()>) -> Result<HeaderValue, Problem> {
    let fields = Fields::of(request.headers());
    Ok(request::admit(request, fields, usize::MAX)?)
}

/// The names under which its rule is searched.
///
/// # Errors
/// It is refused.
pub fn names(host: &HeaderValue, app: Option<&HeaderValue>, naming: &Naming) -> Result<Vec<String>, Problem> {
    request::names(host, app, naming).map(Iterator::collect)
}

/// Removes what means one connection.
pub fn strip(headers: &mut HeaderMap, request_id: &HeaderName) {
    let fields = Fields::of(headers);
    hop::strip(headers, fields, request_id);
}

/// The protocol to switch to.
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    hop::upgrade(headers, Fields::of(headers))
}

/// Says who the client is.
pub fn introduce(
    headers: &mut HeaderMap,
    host: &HeaderValue,
    peer: Option<SocketAddr>,
    forwarding: Forwarding,
    trust: &Trust,
) {
    let fields = Fields::of(headers);
    Introduction::new(peer, forwarding, trust).introduce(headers, fields, host, Version::HTTP_11);
}

/// Gives a request its id and its trace.
pub fn identify(
    headers: &mut HeaderMap,
    request_id_header: &HeaderName,
    [request_id, trace_context]: [Identity; 2],
    trusted: bool,
) -> Option<HeaderValue> {
    let fields = Fields::of(headers);
    let identities = Identities { request_id_header, request_id, trace_context, trusted };
    identities.identify(headers, fields, &mut Inventor::default())
}
