//! Fields that mean nothing behind a body, where they come too late or past those who look at heads (RFC 9110, section 6.5.1).

use http::HeaderName;
use http::header::HeaderMap;

use crate::spelling::{begins_like, is_spelling_of};

/// What no trailer says, by what it is about.
const FORBIDDEN: [&[&str]; 5] = [
    // Framing and the connection.
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"],
    // Where a message goes, and who has seen it.
    &["forwarded", "host", "max-forwards", "traceparent", "tracestate", "via", "x-real-ip", "x-request-id"],
    // Who asks.
    &[
        "authorization",
        "cookie",
        "proxy-authenticate",
        "proxy-authorization",
        "set-cookie",
        "www-authenticate",
    ],
    // How a request is meant.
    &[
        "expect",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "pragma",
        "range",
    ],
    // How a response is to be used.
    &["age", "cache-control", "date", "expires", "location", "retry-after", "vary"],
];

/// Families of fields of the same kind: what the body is, and who sends it. None is a trailer, but for [`ALLOWED`].
const PREFIXES: [&str; 2] = ["content-", "x-forwarded-"];

/// Sums over the body, which can only be known at its end (RFC 9530).
const ALLOWED: [&str; 2] = ["content-digest", "content-md5"];

/// Removes what must not be there, in whatever spelling.
pub(crate) fn clean(trailers: &mut HeaderMap) {
    let forbidden: Vec<_> = trailers.keys().filter(|name| is_forbidden(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

fn is_forbidden(name: &HeaderName) -> bool {
    let name = name.as_str();
    !ALLOWED.contains(&name)
        && (PREFIXES.iter().any(|prefix| begins_like(name, prefix))
            || FORBIDDEN.iter().copied().flatten().any(|field| is_spelling_of(name, field)))
}
