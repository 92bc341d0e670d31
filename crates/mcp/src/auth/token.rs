//! Access tokens: JWTs ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) as authorization servers issue them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::AuthConfig;
use super::keys::{KeySet, NotFound};

/// Bytes of a token at most.
const LONGEST: usize = 16 << 10;

/// What tokens may be signed with: by a key that this side knows the public half of.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Tokens that are known to be good at most. Above it those are forgotten that have expired, or else all.
const KNOWN: usize = 10_000;

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Verifier {
    keys: KeySet,
    /// Tokens that were good, by their digests: a signature costs more than a call.
    known: Mutex<HashMap<[u8; 32], Known>>,
    issuer: String,
    audience: String,
    skew: Duration,
}

/// A token that was good.
#[derive(Debug)]
struct Known {
    verified: Verified,
    /// Of the keys that it was checked with.
    generation: u64,
    /// Seconds since 1970.
    expires: u64,
}

/// What a good token says.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    /// Whom it was issued to, by whom.
    pub(super) principal: Arc<str>,
    pub(super) scopes: Arc<BTreeSet<String>>,
}

/// Why a token is not good. It is told to whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejected {
    #[error("that is no access token")]
    Malformed,
    #[error("the token is signed in a way that is not taken here")]
    Algorithm,
    #[error("the token is signed by nobody who is known here")]
    UnknownKey,
    #[error("the signature of the token is not right")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not good yet")]
    NotYet,
    #[error("the token was issued by somebody else")]
    Issuer,
    #[error("the token was issued for something else")]
    Audience,
    #[error("the token lacks a claim: exp, iss, aud and sub are needed")]
    Claim,
    /// It may be good.
    #[error("nobody can say whether the token is good")]
    NoKeys,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    #[serde(default)]
    scope: Scopes,
    /// The name that some servers have for it.
    #[serde(default)]
    scp: Scopes,
}

/// Scopes as servers write them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

impl Default for Scopes {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Scopes {
    fn into_names(self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list,
        }
    }
}

impl Verifier {
    pub(super) fn new(config: &AuthConfig, keys: KeySet) -> Self {
        let AuthConfig { issuer, audience, skew, .. } = config;
        let (issuer, audience) = (issuer.clone(), audience.clone());
        Self { keys, known: Mutex::default(), issuer, audience, skew: *skew }
    }

    pub(super) async fn verify(&self, token: &str) -> Result<Verified, Rejected> {
        if token.len() > LONGEST {
            return Err(Rejected::Malformed);
        }
        let generation = self.keys.generation().await;
        let digest = Sha256::digest(token).into();
        if let Some(known) = self.known().get(&digest)
            && known.generation == generation
            && known.expires.saturating_add(self.skew.as_secs()) > now()
        {
            return Ok(known.verified.clone());
        }
        let header = decode_header(token).map_err(|_| Rejected::Malformed)?;
        if !ALGORITHMS.contains(&header.alg) || !is_access_token(&header) {
            return Err(Rejected::Algorithm);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await.map_err(|error| match error {
            NotFound::Unknown => Rejected::UnknownKey,
            NotFound::NoKeys => Rejected::NoKeys,
        })?;
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.leeway = self.skew.as_secs();
        validation.validate_nbf = true;
        let claims = decode::<Claims>(token, &key, &validation).map_err(|error| rejection(error.kind()))?;
        let Claims { sub, exp, scope, scp } = claims.claims;
        let mut scopes: BTreeSet<_> = scope.into_names().into_iter().collect();
        scopes.extend(scp.into_names());
        // Two servers may know somebody of the same name.
        let verified =
            Verified { principal: format!("{}#{sub}", self.issuer).into(), scopes: Arc::new(scopes) };
        let mut known = self.known();
        if known.len() >= KNOWN {
            let now = now();
            known.retain(|_, known| known.generation == generation && known.expires > now);
            if known.len() >= KNOWN {
                known.clear();
            }
        }
        known.insert(digest, Known { verified: verified.clone(), generation, expires: exp });
        Ok(verified)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it does not say that it is something else, such as an ID token of a logout.
fn is_access_token(header: &Header) -> bool {
    header.typ.as_deref().is_none_or(|typ| {
        ["jwt", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn rejection(error: &ErrorKind) -> Rejected {
    match error {
        ErrorKind::InvalidSignature => Rejected::Signature,
        ErrorKind::ExpiredSignature => Rejected::Expired,
        ErrorKind::ImmatureSignature => Rejected::NotYet,
        ErrorKind::InvalidIssuer => Rejected::Issuer,
        ErrorKind::InvalidAudience => Rejected::Audience,
        ErrorKind::MissingRequiredClaim(_) => Rejected::Claim,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Rejected::Algorithm,
        // The enumeration is theirs, and grows.
        _ => Rejected::Malformed,
    }
}
