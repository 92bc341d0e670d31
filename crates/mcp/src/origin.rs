//! Who a request is for, and from which web page: what keeps pages from reaching a server on the user's machine by a name
//! that they have made lead there (DNS rebinding).

use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::{HeaderMap, Uri};

use crate::EndpointConfig;

/// Whether the endpoint takes requests for that host, from that origin.
pub(crate) fn is_allowed(config: &EndpointConfig, uri: &Uri, headers: &HeaderMap) -> bool {
    // HTTP/2 has the host in the target.
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(headers, &HOST));
    let host_allowed = host.is_some_and(|host| {
        let name = without_port(host).to_ascii_lowercase();
        is_loopback(&name) || config.hosts.contains(&name)
    });
    let origin_allowed = match headers.get(ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().is_ok_and(|origin| {
            let local = origin.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "http" | "https") && is_loopback(&without_port(host).to_ascii_lowercase())
            });
            local || config.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
        }),
    };
    host_allowed && origin_allowed
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(host, |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
