//! Which of the fields that a proxy cares about a message has, found in one pass.
//!
//! Looking each of them up costs a hash and a probe, and hardly any message has any of them. One pass over the names is a
//! tenth of that work.

use http::HeaderMap;

use crate::claims::Claims;

/// A set of header fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(u32);

impl Fields {
    pub(crate) const CONNECTION: Self = Self(1);
    pub(crate) const KEEP_ALIVE: Self = Self(1 << 1);
    pub(crate) const PROXY_CONNECTION: Self = Self(1 << 2);
    pub(crate) const PROXY_AUTHENTICATE: Self = Self(1 << 3);
    pub(crate) const PROXY_AUTHORIZATION: Self = Self(1 << 4);
    pub(crate) const TE: Self = Self(1 << 5);
    pub(crate) const TRANSFER_ENCODING: Self = Self(1 << 6);
    pub(crate) const UPGRADE: Self = Self(1 << 7);
    pub(crate) const EXPECT: Self = Self(1 << 8);
    pub(crate) const VIA: Self = Self(1 << 9);
    pub(crate) const FORWARDED: Self = Self(1 << 10);
    pub(crate) const X_FORWARDED_FOR: Self = Self(1 << 11);
    pub(crate) const TRACEPARENT: Self = Self(1 << 12);
    pub(crate) const TRACESTATE: Self = Self(1 << 13);
    /// Any that [`Claims`] has to clean out.
    pub(crate) const CLAIMS: Self = Self(1 << 14);

    /// The fields of a request that are named here.
    pub(crate) fn of_request(headers: &HeaderMap, claims: &Claims) -> Self {
        Self::found(headers, |name| if claims.concern(name) { Self::CLAIMS } else { Self::default() })
    }

    /// The fields of `headers` that are named here, claims aside.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self::found(headers, |_| Self::default())
    }

    #[inline]
    fn found(headers: &HeaderMap, other: impl Fn(&str) -> Self) -> Self {
        headers.keys().fold(Self::default(), |fields, name| {
            let field = match name.as_str() {
                "connection" => Self::CONNECTION,
                "keep-alive" => Self::KEEP_ALIVE,
                "proxy-connection" => Self::PROXY_CONNECTION,
                "proxy-authenticate" => Self::PROXY_AUTHENTICATE,
                "proxy-authorization" => Self::PROXY_AUTHORIZATION,
                "te" => Self::TE,
                "transfer-encoding" => Self::TRANSFER_ENCODING,
                "upgrade" => Self::UPGRADE,
                "expect" => Self::EXPECT,
                "via" => Self::VIA,
                "forwarded" => Self::FORWARDED,
                "x-forwarded-for" => Self::X_FORWARDED_FOR,
                "traceparent" => Self::TRACEPARENT,
                "tracestate" => Self::TRACESTATE,
                name => other(name),
            };
            Self(fields.0 | field.0)
        })
    }

    /// Whether any of `others` is among them.
    pub(crate) fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_field_is_found_under_its_name_and_nothing_else_is() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a"));
        assert_eq!(Fields::of(&headers), Fields::default());
        let named = [
            ("connection", Fields::CONNECTION),
            ("keep-alive", Fields::KEEP_ALIVE),
            ("proxy-connection", Fields::PROXY_CONNECTION),
            ("proxy-authenticate", Fields::PROXY_AUTHENTICATE),
            ("proxy-authorization", Fields::PROXY_AUTHORIZATION),
            ("te", Fields::TE),
            ("transfer-encoding", Fields::TRANSFER_ENCODING),
            ("upgrade", Fields::UPGRADE),
            ("expect", Fields::EXPECT),
            ("via", Fields::VIA),
            ("forwarded", Fields::FORWARDED),
            ("x-forwarded-for", Fields::X_FORWARDED_FOR),
            ("traceparent", Fields::TRACEPARENT),
            ("tracestate", Fields::TRACESTATE),
        ];
        for (name, field) in named {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("x"));
            let found = Fields::of(&headers);
            for (_, other) in named {
                assert_eq!(found.has(other), field == other, "{name}");
            }
        }
    }
}
