//! Who may use the admin API: this machine's programs, and no page in its browser.
//!
//! The listener is on loopback, but a browser on this machine reaches it too. A page of another origin gives itself away
//! by `Origin` or `Sec-Fetch-Site`; one that points its own name at 127.0.0.1 (DNS rebinding) by `Host`. No response
//! ever has a CORS header, so that no such page can read one either.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use ostler_net::{Address, HostName, requested_host};

use super::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The port that a URL with the scheme `http` means when it has none.
const HTTP_PORT: u16 = 80;

/// What one admin listener lets in.
#[derive(Debug)]
pub(super) struct Gate {
    /// `admin.allowed_hosts`, and the listener's own address: an IP address is nobody's name to point elsewhere.
    hosts: Vec<HostName>,
    /// The listener's own port; None for a Unix socket, where the port of a name says nothing.
    port: Option<u16>,
}

/// A host and a port, as both `Host` and `Origin` name them.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: HostName,
    port: Option<u16>,
}

impl Gate {
    pub(super) fn new(allowed: &[HostName], listener: &Address) -> Arc<Self> {
        let own = match listener {
            Address::Tcp(address) if address.is_ipv6() => format!("[{}]", address.ip()),
            Address::Tcp(address) => address.ip().to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let hosts = allowed.iter().cloned().chain(own.parse().ok()).collect();
        Arc::new(Self { hosts, port: listener.port() })
    }

    /// Lets a request pass or says why not.
    fn check(&self, authority: Option<&Authority>, headers: &HeaderMap) -> Result<(), Problem> {
        let asked = self.host(authority, headers)?;
        if let Some(origin) = headers.get(ORIGIN) {
            same_origin(origin, &asked)?;
        }
        if let Some(site) = headers.get(SEC_FETCH_SITE)
            && !matches!(site.as_bytes(), b"same-origin" | b"none")
        {
            return Err(Problem::cross_origin("a page of another site asked for this"));
        }
        let has_body = headers.contains_key(TRANSFER_ENCODING)
            || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        if has_body && !is_json(headers) {
            return Err(Problem::not_json());
        }
        Ok(())
    }

    /// The host that the request is for, if it is one of ours. Only one may be named, wherever it stands.
    fn host(&self, authority: Option<&Authority>, headers: &HeaderMap) -> Result<Place, Problem> {
        let mut fields = headers.get_all(HOST).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Problem::bad_request("a request has exactly one `Host`"));
        };
        let place = field.to_str().ok().and_then(Place::parse).filter(|place| self.is_ours(place));
        let Some(place) = place else {
            let detail = "`Host` is none of `admin.allowed_hosts` with this listener's port";
            return Err(Problem::wrong_host(detail));
        };
        match authority {
            Some(authority) if Place::parse(authority.as_str()).as_ref() != Some(&place) => {
                Err(Problem::wrong_host("the request target and `Host` name two hosts"))
            }
            Some(_) | None => Ok(place),
        }
    }

    fn is_ours(&self, place: &Place) -> bool {
        let port = match (place.port, self.port) {
            (Some(asked), Some(own)) => asked == own,
            (None, _) | (_, None) => true,
        };
        port && self.hosts.contains(&place.host)
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let host = requested_host(text).ok()?;
        let after = text.rsplit(']').next().unwrap_or(text);
        let port = match after.rsplit_once(':') {
            Some((_, digits)) if !digits.is_empty() => Some(digits.parse().ok()?),
            Some(_) | None => None,
        };
        Some(Self { host, port })
    }
}

/// An origin is the same if it is where the request went: scheme, host and port.
fn same_origin(origin: &HeaderValue, asked: &Place) -> Result<(), Problem> {
    let origin =
        origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")).and_then(Place::parse);
    let same = origin.is_some_and(|origin| {
        origin.host == asked.host && origin.port.unwrap_or(HTTP_PORT) == asked.port.unwrap_or(HTTP_PORT)
    });
    if same { Ok(()) } else { Err(Problem::cross_origin("a page of another origin asked for this")) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The gate as a layer around every route, known or not.
pub(super) async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut response = match gate.check(request.uri().authority(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let (method, path) = (request.method(), request.uri().path());
            tracing::warn!(%method, path, why = problem.detail(), "admin request refused");
            problem.into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
