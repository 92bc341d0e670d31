//! What a request must be to be forwarded, and which server it names.

use http::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};

use crate::Problem;
use crate::config::Naming;

/// Brings a request into origin form with exactly one `Host`, and returns that.
///
/// hyper lets some requests through that other servers may read differently; they are refused here rather than passed
/// on (RFC 9112, sections 3.2 and 6.1).
pub(crate) fn admit<B>(request: &mut Request<B>) -> Result<HeaderValue, Problem> {
    if request.method() == Method::CONNECT {
        return Err(Problem::BadRequest("CONNECT is for forward proxies, and this is none"));
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (!coding.as_bytes().eq_ignore_ascii_case(b"chunked") || codings.next().is_some())
    {
        return Err(Problem::BadRequest("the only transfer coding is chunked, once"));
    }
    if request.uri().path() == "*" && request.method() != Method::OPTIONS {
        return Err(Problem::BadRequest("only OPTIONS asks about the server as a whole"));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.clone()),
        (Some(_), Some(_)) => return Err(Problem::BadRequest("more than one Host field")),
        (None, _) => None,
    };
    if let Some(authority) = request.uri().authority() {
        // RFC 9112, section 3.2.2: the target's authority replaces the field.
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| Problem::BadRequest("the request target has no valid host"))?;
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        request.headers_mut().insert(HOST, host.clone());
        return Ok(host);
    }
    match host {
        Some(host) => Ok(host),
        None if request.version() == Version::HTTP_10 => Ok(HeaderValue::from_static("")),
        None => Err(Problem::BadRequest("no Host field")),
    }
}

/// The name under which the rules are searched: from the application header where one is configured and present, else
/// from the host; of a name with dots only the first label, if so configured. Not normalized.
pub(crate) fn name<'a>(host: &'a HeaderValue, app: Option<&'a HeaderValue>, naming: &Naming) -> Option<&'a str> {
    let name = std::str::from_utf8(app.unwrap_or(host).as_bytes()).ok()?;
    if naming.first_label && !name.starts_with('[') && !is_ipv4(name) {
        let label = name.split(['.', ':']).next();
        return label;
    }
    Some(name)
}

/// `127.0.0.1` is no name whose first label is `127`.
fn is_ipv4(name: &str) -> bool {
    let host = name.split(':').next().unwrap_or(name);
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::builder().uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_authority_of_the_target_replaces_the_host_field() {
        let mut absolute = request("http://shop.localhost/a?b=c", &[("host", "other.localhost")]);
        assert_eq!(admit(&mut absolute).unwrap(), "shop.localhost");
        assert_eq!(absolute.uri(), "/a?b=c");
        assert_eq!(absolute.headers()[HOST], "shop.localhost");
    }

    #[test]
    fn an_ambiguous_request_is_refused() {
        for (target, fields) in [
            ("/", &[][..]),
            ("/", &[("host", "a"), ("host", "a")][..]),
            ("/", &[("host", "a"), ("transfer-encoding", "gzip, chunked")][..]),
            ("/", &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")][..]),
            ("*", &[("host", "a")][..]),
        ] {
            let refused = admit(&mut request(target, fields));
            assert!(matches!(refused, Err(Problem::BadRequest(_))), "{target} {fields:?}");
        }
    }

    #[test]
    fn a_name_comes_from_the_host_unless_a_header_is_configured() {
        let host = HeaderValue::from_static("shop.example.com:80");
        let app = HeaderValue::from_static("cart");
        let plain = Naming::default();
        assert_eq!(name(&host, None, &plain), Some("shop.example.com:80"));
        assert_eq!(name(&host, Some(&app), &plain), Some("cart"));
    }

    #[test]
    fn the_first_label_is_taken_of_names_alone() {
        let naming = Naming { first_label: true, ..Naming::default() };
        for (host, expected) in [
            ("shop.example.com:80", "shop"),
            ("shop:80", "shop"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let host = HeaderValue::from_str(host).unwrap();
            assert_eq!(name(&host, None, &naming), Some(expected));
        }
    }
}
