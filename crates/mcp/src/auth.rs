//! Who asks: an OAuth 2.1 resource server
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization)).
//!
//! Whoever may use the endpoint shows an access token of one authorization server, a JWT
//! ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)) that was issued for this endpoint. Where to get one is told to everybody
//! ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)).

mod keys;
mod metadata;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, StatusCode};

use self::keys::KeySet;
pub use self::keys::{JwksError, JwksSource};
pub(crate) use self::metadata::Metadata;
use self::token::{Rejected, Verifier};
use crate::error::RpcError;

/// Whose tokens are good, and for what.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The authorization server, as it names itself in `iss`.
    pub issuer: String,
    /// What tokens have to be for, as `aud` has it: the address of this endpoint as its clients know it.
    pub audience: String,
    /// Where the authorization server's keys are.
    pub jwks: JwksSource,
    /// How far its clock may be from this one's.
    pub skew: Duration,
    /// The scopes that a token needs for anything.
    pub scopes: Vec<String>,
    /// The scopes that it needs besides for a tool, a prompt or a resource, by name; of a resource, by address.
    pub tools: BTreeMap<String, Vec<String>>,
}

/// Why nobody can be told apart from anybody.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The audience is no address that clients could ask.
    #[error("the audience `{0}` is not an address such as https://mcp.example/mcp")]
    Audience(String),
    /// The keys are not to be had.
    #[error(transparent)]
    Jwks(#[from] JwksError),
}

/// Tells who asks.
#[derive(Debug)]
pub struct Authorizer {
    config: AuthConfig,
    verifier: Verifier,
    pub(crate) metadata: Metadata,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Arc<str>,
    /// What the token allows; None where nobody is asked for one.
    pub(crate) scopes: Option<Arc<BTreeSet<String>>>,
}

impl Caller {
    /// Somebody unknown.
    pub(crate) fn anonymous() -> Self {
        Self { principal: ostler_tools::Attempt::anonymous().principal, scopes: None }
    }
}

impl Authorizer {
    /// Reads the keys if they are in a file. Those at an address are fetched when the first token comes.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn open(config: AuthConfig) -> Result<Self, AuthError> {
        let metadata = Metadata::of(&config).ok_or_else(|| AuthError::Audience(config.audience.clone()))?;
        let keys = KeySet::open(config.jwks.clone()).await?;
        let verifier = Verifier::new(&config, keys);
        Ok(Self { config, verifier, metadata })
    }

    /// Who sends a request with these `headers`.
    ///
    /// # Errors
    /// What the request is answered with: there is no token, or no good one, or it allows nothing here.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, RpcError> {
        let token = match bearer(headers) {
            Bearer::Token(token) => token,
            Bearer::None => return Err(self.unauthorized(None)),
            Bearer::Malformed => return Err(self.unauthorized(Some(Rejected::Malformed))),
        };
        let verified = self.verifier.verify(token).await.map_err(|rejected| match rejected {
            Rejected::NoKeys => RpcError {
                status: StatusCode::SERVICE_UNAVAILABLE,
                ..RpcError::internal("the keys of the authorization server are not to be had, try again")
            },
            rejected => self.unauthorized(Some(rejected)),
        })?;
        let caller = Caller { principal: verified.principal, scopes: Some(verified.scopes) };
        self.check(&caller, self.config.scopes.iter())?;
        Ok(caller)
    }

    /// Checks that `caller` may call what is called `name`.
    ///
    /// # Errors
    /// What the call is answered with: which scopes it takes.
    pub(crate) fn permit(&self, caller: &Caller, name: &str) -> Result<(), RpcError> {
        match self.config.tools.get(name) {
            Some(scopes) => self.check(caller, self.config.scopes.iter().chain(scopes)),
            None => Ok(()),
        }
    }

    fn check<'s>(
        &self,
        caller: &Caller,
        needed: impl Iterator<Item = &'s String> + Clone,
    ) -> Result<(), RpcError> {
        let Some(scopes) = &caller.scopes else { return Ok(()) };
        if needed.clone().all(|scope| scopes.contains(scope)) {
            return Ok(());
        }
        let needed = needed.map(String::as_str).collect::<Vec<_>>().join(" ");
        let message = format!("this takes a token with the scopes {needed}");
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{needed}\", resource_metadata=\"{}\", \
             error_description=\"more scopes are needed\"",
            self.metadata.address
        );
        let error = RpcError { status: StatusCode::FORBIDDEN, ..RpcError::invalid_request(message) };
        Err(error.challenging(challenge))
    }

    fn unauthorized(&self, rejected: Option<Rejected>) -> RpcError {
        let mut challenge = format!("Bearer resource_metadata=\"{}\"", self.metadata.address);
        if !self.config.scopes.is_empty() {
            challenge.push_str(&format!(", scope=\"{}\"", self.config.scopes.join(" ")));
        }
        let message = match rejected {
            None => "this takes an access token".to_owned(),
            Some(rejected) => {
                let error = if rejected == Rejected::Malformed { "invalid_request" } else { "invalid_token" };
                challenge.push_str(&format!(", error=\"{error}\", error_description=\"{rejected}\""));
                rejected.to_string()
            }
        };
        let error = RpcError { status: StatusCode::UNAUTHORIZED, ..RpcError::invalid_request(message) };
        error.challenging(challenge)
    }
}

/// What a request shows of a token. One in its address is none: addresses are logged.
enum Bearer<'h> {
    Token(&'h str),
    None,
    Malformed,
}

fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Bearer::None };
    if values.next().is_some() {
        return Bearer::Malformed;
    }
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if !token.is_empty() => Bearer::Token(token),
        Some(_) | None => Bearer::Malformed,
    }
}
