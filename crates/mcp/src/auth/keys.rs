//! The keys of the authorization server: from a file or from an address, and how they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Bytes of a document at most.
const LARGEST: usize = 256 << 10;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How soon it is looked again for a key that was not there: tokens with keys that nobody has are easily made.
const PAUSE: Duration = Duration::from_secs(10);

/// How long keys are taken for true that were fetched.
const FRESH: Duration = Duration::from_mins(10);

/// How long a file is taken to be as it was.
const UNCHANGED: Duration = Duration::from_secs(1);

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file, which is read again when it changes.
    File(PathBuf),
    /// At an address, by `https`, or by `http` on this machine.
    Url(Uri),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The file cannot be read.
    #[error("the keys in {} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// They were not to be had from there.
    #[error("the keys at {url} cannot be fetched: {reason}")]
    Fetch {
        /// Where.
        url: Uri,
        /// Why.
        reason: String,
    },
    /// Something else is there.
    #[error("{place} is no set of keys: {reason}")]
    Malformed {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The certificates of this machine, by which addresses are trusted, cannot be read.
    #[error("the certificates that this machine trusts cannot be read")]
    Roots(#[source] io::Error),
}

/// The keys, as they were last seen.
pub(super) struct KeySet {
    source: JwksSource,
    client: Option<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>,
    known: RwLock<Arc<[Known]>>,
    /// How often they have changed.
    generation: AtomicU64,
    seen: Mutex<Seen>,
    /// When the source is to be looked at next, in milliseconds since `began`: most requests need no lock for that.
    next_look: AtomicU64,
    began: Instant,
}

/// What was seen when.
#[derive(Debug, Default)]
struct Seen {
    /// When it was last looked, whatever came of it.
    tried: Option<Instant>,
    /// When keys last came.
    fetched: Option<Instant>,
    modified: Option<SystemTime>,
}

struct Known {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    key: Arc<DecodingKey>,
}

/// Why a key is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFound {
    Unknown,
    /// No key ever was.
    NoKeys,
}

impl KeySet {
    pub(super) async fn open(source: JwksSource) -> Result<Self, JwksError> {
        let client = match &source {
            JwksSource::File(_) => None,
            JwksSource::Url(_) => Some(client()?),
        };
        let set = Self {
            source,
            client,
            known: RwLock::new(Arc::new([])),
            generation: AtomicU64::new(0),
            seen: Mutex::default(),
            next_look: AtomicU64::new(0),
            began: Instant::now(),
        };
        if let JwksSource::File(path) = &set.source {
            let seen = &mut *set.seen.lock().await;
            set.read(path, seen).await?;
        }
        Ok(set)
    }

    /// The key with that id that signs so. Without an id it has to be the only one.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<DecodingKey>, NotFound> {
        if let Some(key) = self.lookup(id, algorithm) {
            return Ok(key);
        }
        self.refresh(true).await;
        self.lookup(id, algorithm)
            .ok_or_else(|| if self.known().is_empty() { NotFound::NoKeys } else { NotFound::Unknown })
    }

    /// Looks at the source if it is time for that. Gives a number that is another one when the keys are others.
    pub(super) async fn generation(&self) -> u64 {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now >= self.next_look.load(Ordering::Relaxed) {
            let pause = match &self.source {
                JwksSource::File(_) => UNCHANGED,
                JwksSource::Url(_) => PAUSE,
            };
            let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            self.next_look.store(now.saturating_add(pause), Ordering::Relaxed);
            self.refresh(false).await;
        }
        self.generation.load(Ordering::Acquire)
    }

    fn known(&self) -> Arc<[Known]> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lookup(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let known = self.known();
        let fits = |key: &&Known| {
            id.is_none_or(|id| key.id.as_deref() == Some(id))
                && key.algorithm.is_none_or(|own| own == algorithm)
        };
        let mut fitting = known.iter().filter(fits);
        let key = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then(|| Arc::clone(&key.key))
    }

    /// Looks at the source if it is time for that, or if a key is `missing` and it was not looked a moment ago. Keys stay as they
    /// are if nothing comes of it. One looks at a time; the others wait for what that one finds.
    async fn refresh(&self, missing: bool) {
        let seen = &mut *self.seen.lock().await;
        let looked = match &self.source {
            JwksSource::File(path) => self.read(path, seen).await,
            JwksSource::Url(url) => {
                let stale = seen.fetched.is_none_or(|at| at.elapsed() >= FRESH);
                let pausing = seen.tried.is_some_and(|at| at.elapsed() < PAUSE);
                if pausing || !(stale || missing) {
                    return;
                }
                seen.tried = Some(Instant::now());
                self.fetch(url, seen).await
            }
        };
        if let Err(error) = looked {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the keys for access tokens stay as they are"
            );
        }
    }

    async fn read(&self, path: &Path, seen: &mut Seen) -> Result<(), JwksError> {
        let failed = |source| JwksError::File { path: path.to_owned(), source };
        let modified =
            tokio::fs::metadata(path).await.and_then(|metadata| metadata.modified()).map_err(failed)?;
        if seen.modified == Some(modified) {
            return Ok(());
        }
        // Once for each state of the file, also a broken one.
        seen.modified = Some(modified);
        let text = tokio::fs::read(path).await.map_err(failed)?;
        self.set(&text, &path.display().to_string())
    }

    async fn fetch(&self, url: &Uri, seen: &mut Seen) -> Result<(), JwksError> {
        let failed = |reason: String| JwksError::Fetch { url: url.clone(), reason };
        let Some(client) = &self.client else { return Ok(()) };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.clone();
        let fetched = timeout(PATIENCE, async {
            let response = client.request(request).await.map_err(|error| failed(chain(&error)))?;
            if response.status() != StatusCode::OK {
                return Err(failed(format!("the answer is {}", response.status())));
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| failed(error.to_string()))
        });
        let text = fetched.await.map_err(|_| failed("no answer in time".into()))??;
        self.set(&text, &url.to_string())?;
        seen.fetched = Some(Instant::now());
        Ok(())
    }

    fn set(&self, text: &[u8], place: &str) -> Result<(), JwksError> {
        let malformed = |reason: String| JwksError::Malformed { place: place.to_owned(), reason };
        let set: JwkSet = serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        let known: Vec<_> = set.keys.iter().filter_map(known).collect();
        if known.is_empty() {
            return Err(malformed("there is no key in it that signs".into()));
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known.into();
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// A key, unless it is for something else than signatures, or a secret one.
fn known(jwk: &Jwk) -> Option<Known> {
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let algorithm = match &jwk.common.key_algorithm {
        Some(named) => Some(named.to_string().parse().ok()?),
        None => None,
    };
    let asymmetric = !matches!(jwk.algorithm, jsonwebtoken::jwk::AlgorithmParameters::OctetKey(_));
    let key = DecodingKey::from_jwk(jwk).ok().filter(|_| signs && asymmetric)?;
    Some(Known { id: jwk.common.key_id.clone(), algorithm, key: Arc::new(key) })
}

fn client() -> Result<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>, JwksError> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(JwksError::Roots)?
        // Over `http` only where the configuration has allowed that.
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// What an error says, with all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySet({:?})", self.source)
    }
}
