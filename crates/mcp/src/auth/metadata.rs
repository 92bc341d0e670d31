//! Where tokens are to be had ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)).

use std::collections::BTreeSet;

use hyper::Uri;
use serde_json::json;

use super::AuthConfig;

/// Where the document is, besides the path of what it is about.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document about this endpoint.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Where clients find it.
    pub(crate) address: String,
    pub(crate) document: String,
}

impl Metadata {
    /// None if the audience is no address.
    pub(super) fn of(config: &AuthConfig) -> Option<Self> {
        let resource: Uri = config.audience.parse().ok()?;
        let (scheme, authority) = (resource.scheme_str()?, resource.authority()?);
        let path = resource.path().trim_end_matches('/');
        let scopes: BTreeSet<_> = config.scopes.iter().chain(config.tools.values().flatten()).collect();
        let document = json!({
            "resource": config.audience,
            "authorization_servers": [config.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": scopes,
        });
        Some(Self {
            address: format!("{scheme}://{authority}{WELL_KNOWN}{path}"),
            document: document.to_string(),
        })
    }

    /// Whether the document is at `path`, of an endpoint at `of`.
    pub(crate) fn is_at(path: &str, of: &str) -> bool {
        path.strip_prefix(WELL_KNOWN).is_some_and(|rest| rest.is_empty() || rest == of)
    }
}
