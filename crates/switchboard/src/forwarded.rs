//! What a server is told of the client: `X-Forwarded-*` and `Forwarded` (RFC 7239).

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use http::Version;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};

use crate::config::{Forwarding, Trust};
use crate::fields::Fields;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

/// What stands for us in `Via`, behind the protocol.
const PSEUDONYM: &[u8] = b"ostler";

/// The fields of one client connection: they are the same in each of its requests, so they are written once.
#[derive(Debug)]
pub(crate) struct Introduction {
    /// `Append` only for a trusted client.
    rule: Forwarding,
    /// How the client came.
    proto: HeaderValue,
    /// The client's address as in `X-Forwarded-For`.
    address: HeaderValue,
    /// The client's address as `for=` takes it.
    node: String,
    /// The last host asked for and its `Forwarded` element.
    last: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

impl Introduction {
    pub(crate) fn new(peer: Option<SocketAddr>, forwarding: Forwarding, trust: &Trust) -> Self {
        let client = peer.map(|peer| peer.ip().to_canonical());
        let rule = match forwarding {
            Forwarding::Append if !trust.includes(client) => Forwarding::Replace,
            Forwarding::Append | Forwarding::Replace | Forwarding::Remove => forwarding,
        };
        let (address, node) = match client {
            Some(IpAddr::V4(ip)) => (ip.to_string(), ip.to_string()),
            Some(IpAddr::V6(ip)) => (ip.to_string(), format!("\"[{ip}]\"")),
            None => ("unknown".to_owned(), "unknown".to_owned()),
        };
        let address = HeaderValue::try_from(address).expect("an IP address is visible ASCII");
        Self { rule, proto: HTTP, address, node, last: RefCell::default() }
    }

    /// Of a client that came over TLS.
    pub(crate) fn over_tls(self) -> Self {
        Self { proto: HTTPS, ..self }
    }

    /// Whether what the client says of the one that it speaks for is passed on.
    pub(crate) fn believes(&self) -> bool {
        self.rule == Forwarding::Append
    }

    /// Writes the fields into a request that came in this version for `host`, the value of its `Host` field; `fields` are
    /// those it has.
    pub(crate) fn introduce(
        &self,
        headers: &mut HeaderMap,
        fields: Fields,
        host: &HeaderValue,
        version: Version,
    ) {
        add(headers, fields.has(Fields::VIA), VIA, by_us(version));
        match self.rule {
            Forwarding::Remove => {
                for name in [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO] {
                    headers.remove(name);
                }
            }
            Forwarding::Replace => {
                headers.insert(FORWARDED, self.element(host));
                headers.insert(X_FORWARDED_FOR, self.address.clone());
                headers.insert(X_FORWARDED_HOST, host.clone());
                headers.insert(X_FORWARDED_PROTO, self.proto.clone());
            }
            Forwarding::Append => {
                add(headers, fields.has(Fields::FORWARDED), FORWARDED, self.element(host));
                add(headers, fields.has(Fields::X_FORWARDED_FOR), X_FORWARDED_FOR, self.address.clone());
                // The first proxy knows best what the client asked for.
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
                headers.entry(X_FORWARDED_PROTO).or_insert_with(|| self.proto.clone());
            }
        }
    }

    fn element(&self, host: &HeaderValue) -> HeaderValue {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((known, element)) if known == host => element.clone(),
            _ => {
                let mut element =
                    format!("for={};proto={}", self.node, self.proto.to_str().unwrap_or_default());
                // What is not a host, such as one with a quote or a backslash, has been refused before.
                if let Ok(host) = host.to_str()
                    && !host.is_empty()
                {
                    element.push_str(&format!(";host=\"{host}\""));
                }
                let element = HeaderValue::try_from(element).expect("made of header values");
                // A clone would keep the whole buffer alive that the request was read into.
                let host = HeaderValue::from_bytes(host.as_bytes()).expect("it is a header value");
                *last = Some((host, element.clone()));
                element
            }
        }
    }
}

/// Our element of `Via`, with the version in which the request was received (RFC 9110, section 7.6.3).
fn by_us(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_2 => "2.0 ostler",
        Version::HTTP_10 => "1.0 ostler",
        // There are no others here.
        _ => "1.1 ostler",
    })
}

/// How many times a request has passed here, or another Ostler, by what its `Via` fields say.
pub(crate) fn passes(headers: &HeaderMap) -> usize {
    let elements = headers.get_all(VIA).iter().flat_map(|via| via.as_bytes().split(|byte| *byte == b','));
    let by_us = |element: &&[u8]| {
        let mut words = element.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1) == Some(PSEUDONYM)
    };
    elements.filter(by_us).count()
}

/// Adds a list element: to the field if there is one, since some servers read only the first of several.
fn add(headers: &mut HeaderMap, is_there: bool, name: HeaderName, element: HeaderValue) {
    if !is_there {
        headers.insert(name, element);
        return;
    }
    let mut joined = Vec::new();
    for value in headers.get_all(&name) {
        joined.extend_from_slice(value.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(element.as_bytes());
    // Header values joined by a comma and a space are a header value.
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).unwrap_or(element);
    headers.insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "192.0.2.7:4711";

    fn introduced(
        peer: Option<&str>,
        forwarding: Forwarding,
        sent: &[(&'static str, &'static str)],
    ) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = peer.map(|peer| peer.parse().unwrap());
        let host = HeaderValue::from_static("shop.localhost:8000");
        let fields = Fields::of(&headers);
        Introduction::new(peer, forwarding, &trust()).introduce(
            &mut headers,
            fields,
            &host,
            Version::HTTP_11,
        );
        let field = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut fields: Vec<_> = headers.iter().map(field).collect();
        fields.sort();
        fields
    }

    fn trust() -> Trust {
        Trust { networks: vec!["198.51.100.0/24".parse().unwrap()], unix: false }
    }

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const CLAIMS: [(&str, &str); 4] = [
        ("forwarded", "for=203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "public.example"),
        ("x-forwarded-proto", "https"),
    ];

    #[test]
    fn a_strangers_claims_are_replaced() {
        let expected = fields(&[
            ("forwarded", "for=192.0.2.7;proto=http;host=\"shop.localhost:8000\""),
            ("via", "1.1 ostler"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "shop.localhost:8000"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(introduced(Some(CLIENT), Forwarding::Replace, &CLAIMS), expected);
        assert_eq!(introduced(Some(CLIENT), Forwarding::Append, &CLAIMS), expected);
    }

    #[test]
    fn a_trusted_proxy_is_appended_to() {
        let expected = fields(&[
            ("forwarded", "for=203.0.113.9, for=198.51.100.7;proto=http;host=\"shop.localhost:8000\""),
            ("via", "1.1 ostler"),
            ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
            ("x-forwarded-host", "public.example"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(introduced(Some("198.51.100.7:1"), Forwarding::Append, &CLAIMS), expected);
        assert_eq!(introduced(Some("[::ffff:198.51.100.7]:1"), Forwarding::Append, &CLAIMS), expected);
    }

    #[test]
    fn nothing_is_told_when_it_is_to_be_removed() {
        let told = introduced(Some(CLIENT), Forwarding::Remove, &CLAIMS);
        assert_eq!(told, fields(&[("via", "1.1 ostler")]));
    }

    #[test]
    fn a_client_that_came_over_tls_came_with_https() {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_static("shop.localhost");
        let introduction = Introduction::new(None, Forwarding::Replace, &trust()).over_tls();
        introduction.introduce(&mut headers, Fields::default(), &host, Version::HTTP_11);
        assert_eq!(headers[X_FORWARDED_PROTO], "https");
        assert_eq!(headers[FORWARDED], "for=unknown;proto=https;host=\"shop.localhost\"");
    }

    #[test]
    fn an_ipv6_client_is_quoted_in_forwarded_alone() {
        let told = introduced(Some("[2001:db8::1]:80"), Forwarding::Replace, &[]);
        assert_eq!(told[0].1, "for=\"[2001:db8::1]\";proto=http;host=\"shop.localhost:8000\"");
        assert_eq!(told[2].1, "2001:db8::1");
    }

    #[test]
    fn several_fields_of_one_name_become_one_list() {
        let via = introduced(None, Forwarding::Remove, &[("via", "1.0 a"), ("via", "1.1 b")]);
        assert_eq!(via, fields(&[("via", "1.0 a, 1.1 b, 1.1 ostler")]));
    }

    #[test]
    fn via_names_the_version_in_which_a_request_was_received() {
        for (version, expected) in [
            (Version::HTTP_10, "1.0 ostler"),
            (Version::HTTP_11, "1.1 ostler"),
            (Version::HTTP_2, "2.0 ostler"),
        ] {
            let (mut headers, host) = (HeaderMap::new(), HeaderValue::from_static("shop.localhost"));
            let introduction = Introduction::new(None, Forwarding::Remove, &trust());
            introduction.introduce(&mut headers, Fields::default(), &host, version);
            assert_eq!(headers[VIA], expected);
            assert_eq!(passes(&headers), 1);
        }
    }
}
