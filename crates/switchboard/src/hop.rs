//! Header fields that mean one connection and are not forwarded (RFC 9110, section 7.6.1).

use http::header::{
    CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

use crate::fields::Fields;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes what `Connection` names and the fields that are hop-by-hop by definition; `fields` are those of `headers`.
/// `TE: trailers` stays: both of our sides can carry trailers. So does `request_id`, which may be ours.
pub(crate) fn strip(headers: &mut HeaderMap, fields: Fields, request_id: &HeaderName) {
    if fields.has(Fields::CONNECTION) {
        if names_fields(headers) {
            strip_named(headers, request_id);
        }
        headers.remove(CONNECTION);
    }
    for (field, name) in [
        (Fields::KEEP_ALIVE, KEEP_ALIVE),
        (Fields::PROXY_CONNECTION, PROXY_CONNECTION),
        (Fields::PROXY_AUTHENTICATE, PROXY_AUTHENTICATE),
        (Fields::PROXY_AUTHORIZATION, PROXY_AUTHORIZATION),
        (Fields::TRANSFER_ENCODING, TRANSFER_ENCODING),
        (Fields::UPGRADE, UPGRADE),
    ] {
        if fields.has(field) {
            headers.remove(name);
        }
    }
    if fields.has(Fields::TE) {
        let trailers = headers
            .get_all(TE)
            .iter()
            .filter_map(|te| te.to_str().ok())
            .any(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")));
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// The protocol that a request wants to switch to, or that a 101 response has switched to.
///
/// HTTP/2 is none of them, and RFC 9113 has retired that upgrade: in its tunnel a client would say to the server whatever it
/// wants, past our fields and our rules.
pub(crate) fn upgrade(headers: &HeaderMap, fields: Fields) -> Option<HeaderValue> {
    if !fields.has(Fields::UPGRADE) {
        return None;
    }
    let wanted = headers.get(UPGRADE)?;
    if headers.get_all(UPGRADE).iter().any(names_http_2) {
        return None;
    }
    let connection = headers.get_all(CONNECTION).iter();
    let named = connection
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    named.then(|| wanted.clone())
}

fn names_http_2(protocols: &HeaderValue) -> bool {
    let mut protocols = protocols.as_bytes().split(|byte| *byte == b',');
    protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"h2c"))
}

/// The protocol that a 426 response wants its client to switch to (RFC 9110, section 15.5.22), whether or not `Connection`
/// names the field: some servers forget it. One that we would not forward is not asked for.
pub(crate) fn required(headers: &HeaderMap, fields: Fields) -> Option<HeaderValue> {
    if !fields.has(Fields::UPGRADE) {
        return None;
    }
    headers.get_all(UPGRADE).iter().find(|protocols| !names_http_2(protocols)).cloned()
}

/// Makes one field of the crumbs that HTTP/2 may cut cookies into (RFC 9113, section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // Header values joined by a semicolon and a space are a header value.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(COOKIE, value);
    }
}

/// Asks the next hop to switch too.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Says that `TE`, if a stripped request still has it, is for the next hop alone (RFC 9110, section 10.1.4).
pub(crate) fn name_te(headers: &mut HeaderMap) {
    if headers.contains_key(TE) {
        let both = headers.contains_key(CONNECTION);
        let named = if both { "upgrade, TE" } else { "TE" };
        headers.insert(CONNECTION, HeaderValue::from_static(named));
    }
}

/// Whether `Connection` may name fields: nearly always it is one word that does not.
fn names_fields(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        let value = value.as_bytes();
        !value.eq_ignore_ascii_case(b"keep-alive") && !value.eq_ignore_ascii_case(b"close")
    })
}

fn strip_named(headers: &mut HeaderMap, request_id: &HeaderName) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        // Taking these away would change what the request means, which is what naming them is an attack on.
        .filter(|name| {
            !matches!(
                *name,
                http::header::HOST
                    | http::header::CONTENT_LENGTH
                    | http::header::CONTENT_TYPE
                    | http::header::AUTHORIZATION
                    | COOKIE
                    | TE
            ) && *name != request_id
                && !name.as_str().starts_with("x-forwarded-")
                && !matches!(name.as_str(), "traceparent" | "tracestate")
        })
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(headers: &mut HeaderMap) {
        let fields = Fields::of(headers);
        super::strip(headers, fields, &HeaderName::from_static("x-request-id"));
    }

    fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
        super::upgrade(headers, Fields::of(headers))
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_connection_names_is_not_forwarded() {
        let mut headers = headers(&[
            ("connection", "keep-alive, X-Hop"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("x-other", "2"),
            ("x-stays", "3"),
        ]);
        strip(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-stays"]);
    }

    #[test]
    fn crumbs_become_one_cookie_in_their_order() {
        let mut crumbs = headers(&[("cookie", "a=1"), ("x", "1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
        join_cookies(&mut crumbs);
        assert_eq!(crumbs.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3; d=4"]);
    }

    #[test]
    fn connection_cannot_take_the_host_or_the_credentials_away() {
        let mut headers = headers(&[
            ("connection", "host, authorization, content-length, x-forwarded-for"),
            ("host", "shop.localhost"),
            ("authorization", "Bearer t"),
            ("content-length", "2"),
            ("x-forwarded-for", "10.0.0.1"),
        ]);
        strip(&mut headers);
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn only_trailers_survive_in_te() {
        let mut with = headers(&[("te", "gzip;q=0.5, trailers")]);
        strip(&mut with);
        assert_eq!(with.get(TE), Some(&HeaderValue::from_static("trailers")));
        let mut without = headers(&[("te", "gzip")]);
        strip(&mut without);
        assert!(without.is_empty());
    }

    #[test]
    fn an_upgrade_counts_only_when_connection_names_it() {
        let websocket = Some(HeaderValue::from_static("websocket"));
        let asked = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(upgrade(&asked), websocket);
        assert_eq!(upgrade(&headers(&[("upgrade", "websocket")])), None);
    }
}
