//! What a request must be to be forwarded, and which server it names.

use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};

use ostler_http::{Refusal, check_codings, check_expectation, check_target};
use ostler_net::{HostName, requested_host};

use crate::config::Naming;
use crate::fields::Fields;
use crate::forwarded;
use crate::{Problem, websocket};

const NO_HOST: Problem = Problem::BadRequest("the host is not a valid one");

/// Why a request is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Servers may read it differently: its connection is closed behind the answer.
    Refused(Refusal),
    /// It is clear enough, but not for us.
    Misdirected(Problem),
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Problem> for Unfit {
    fn from(problem: Problem) -> Self {
        Self::Misdirected(problem)
    }
}

impl From<Unfit> for Problem {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Refused(Refusal::Expectation) => Self::ExpectationFailed,
            Unfit::Refused(refusal) => Self::BadRequest(refusal.reason()),
            Unfit::Misdirected(problem) => problem,
        }
    }
}

/// Brings a request into origin form with exactly one `Host`, and returns that.
///
/// `fields` are the request's. hyper lets some requests through that other servers may read differently; they are refused here rather than passed
/// on (RFC 9112, sections 3.2 and 6.1).
pub(crate) fn admit<B>(
    request: &mut Request<B>,
    fields: Fields,
    max_passes: usize,
) -> Result<HeaderValue, Unfit> {
    if request.method() == Method::CONNECT && !websocket::is_asked(request) {
        return Err(Problem::BadRequest("CONNECT is for forward proxies, and this is none").into());
    }
    if fields.has(Fields::TRANSFER_ENCODING) {
        check_codings(request.headers())?;
    }
    if fields.has(Fields::EXPECT) {
        check_expectation(request.headers())?;
    }
    check_target(request)?;
    if fields.has(Fields::VIA) && forwarded::passes(request.headers()) >= max_passes {
        return Err(Problem::LoopDetected.into());
    }
    let headers = request.headers();
    let host = headers.get(HOST).cloned();
    // Looked for only where some field or other is there twice.
    if headers.len() > headers.keys_len() && headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Refusal::ManyHosts.into());
    }
    if let Some(authority) = request.uri().authority() {
        if request.uri().scheme().is_none() {
            return Err(Problem::BadRequest("only CONNECT has a host alone as its target").into());
        }
        // RFC 9113, section 8.3.1: servers may go by either.
        let differs =
            |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        if request.version() == Version::HTTP_2 && host.as_ref().is_some_and(differs) {
            return Err(Problem::BadRequest("the Host field is not the :authority").into());
        }
        // RFC 9112, section 3.2.2: the target's authority replaces the field.
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| Problem::BadRequest("the request target has no valid host"))?;
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        request.headers_mut().insert(HOST, host.clone());
        return Ok(host);
    }
    match host {
        Some(host) if host.as_bytes().is_ascii() => Ok(host),
        Some(host) => {
            let host = in_ascii(&host).ok_or(NO_HOST)?;
            request.headers_mut().insert(HOST, host.clone());
            Ok(host)
        }
        None if request.version() == Version::HTTP_10 => {
            // The server is asked in HTTP/1.1, which wants the field even if there is nothing to say.
            let none = HeaderValue::from_static("");
            request.headers_mut().insert(HOST, none.clone());
            Ok(none)
        }
        None => Err(Refusal::NoHost.into()),
    }
}

/// The same host with its international labels in their `xn--` form, and the same port. None if it is no host.
///
/// Nothing else is read in the same way by every server (RFC 3986, section 3.2.2).
fn in_ascii(host: &HeaderValue) -> Option<HeaderValue> {
    let text = std::str::from_utf8(host.as_bytes()).ok()?;
    let name = requested_host(text).ok()?;
    // A host with such letters is no IPv6 address: its first colon is the port's.
    match text.split_once(':') {
        Some((_, port)) if !port.is_empty() => HeaderValue::try_from(format!("{name}:{port}")).ok(),
        Some(_) | None => HeaderValue::try_from(name.as_str()).ok(),
    }
}

/// The names under which a request's rule is searched, one after another: the host, its first label, what the application
/// header says, the default. Only what is configured and a valid host name is among them.
///
/// A `Host` that is there and no host is refused (RFC 9112, section 3.2): servers get to see it, in `Forwarded` too.
pub(crate) fn names(
    host: &HeaderValue,
    app: Option<&HeaderValue>,
    naming: &Naming,
) -> Result<impl Iterator<Item = String>, Problem> {
    let read = |value: &HeaderValue| requested_host(std::str::from_utf8(value.as_bytes()).ok()?).ok();
    let is_none = host.is_empty();
    let host = read(host);
    if host.is_none() && !is_none {
        return Err(NO_HOST);
    }
    let label =
        host.as_ref().filter(|_| naming.first_label).and_then(HostName::first_label).map(str::to_owned);
    let host = host.map(|host| host.as_str().to_owned());
    let app = app.and_then(read).map(|app| app.as_str().to_owned());
    Ok([host, label, app, naming.default_host.clone()].into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(request: &mut Request<()>) -> Result<HeaderValue, Unfit> {
        let fields = Fields::of(request.headers());
        super::admit(request, fields, 1)
    }

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
    fn over_http_2_the_host_field_says_nothing_else_than_the_authority() {
        let over_http_2 = |host| {
            let mut request = request("http://shop.localhost/a", &[("host", host)]);
            *request.version_mut() = Version::HTTP_2;
            admit(&mut request)
        };
        assert_eq!(over_http_2("SHOP.localhost").unwrap(), "shop.localhost");
        assert!(matches!(over_http_2("other.localhost"), Err(Unfit::Misdirected(Problem::BadRequest(_)))));
    }

    #[test]
    fn an_ambiguous_request_is_refused() {
        for (target, fields) in [
            ("/", &[][..]),
            ("/", &[("host", "a"), ("host", "a")][..]),
            ("/", &[("host", "a"), ("transfer-encoding", "gzip, chunked")][..]),
            ("/", &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")][..]),
            ("/", &[("host", "a"), ("expect", "a miracle")][..]),
            ("*", &[("host", "a")][..]),
        ] {
            let refused = admit(&mut request(target, fields));
            assert!(matches!(refused, Err(Unfit::Refused(_))), "{target} {fields:?}");
        }
    }

    #[test]
    fn the_host_is_searched_before_anything_else_that_is_configured() {
        let naming = Naming { app_header: None, first_label: true, default_host: Some("default".to_owned()) };
        let found = |host: &str, app: Option<&str>, naming: &Naming| {
            let value = |text| HeaderValue::from_str(text).unwrap();
            names(&value(host), app.map(value).as_ref(), naming).unwrap().collect::<Vec<_>>()
        };
        assert_eq!(
            found("Shop.example.com:80", Some("cart"), &naming),
            ["shop.example.com", "shop", "cart", "default"]
        );
        assert_eq!(found("shop:80", None, &naming), ["shop", "default"]);
        assert_eq!(found("127.0.0.1:80", None, &naming), ["127.0.0.1", "default"]);
        assert_eq!(found("[::1]:80", None, &naming), ["[::1]", "default"]);
        assert_eq!(found("", Some("c d"), &Naming::default()), [""; 0]);
    }
}
