//! The keys that states are sealed with, and their file.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Generate, Key};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

/// Seconds since 1970.
type Seconds = u64;

/// Keys: the first one seals, and each opens what it has sealed. A clone is the same ring.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<RwLock<Arc<[SealingKey]>>>,
    /// Where they are kept, if they outlive the process.
    kept: Option<Arc<Kept>>,
}

/// Where keys are kept, and by whom.
enum Kept {
    /// In a file of our own.
    Own { path: PathBuf, rotate_after: Duration, keep: Duration },
    /// In a file that others have too, each a copy of its own perhaps. It is read and never written.
    Shared { path: PathBuf },
}

#[derive(Clone)]
pub(crate) struct SealingKey {
    pub(crate) id: u32,
    pub(crate) key: Key<XChaCha20Poly1305>,
    made: Seconds,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the key file {} cannot be {what}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// There is something else in it.
    #[error("{} is no key file: {reason}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: u32,
    #[serde(default)]
    made: Seconds,
    key: String,
}

impl KeyRing {
    /// One key that nobody else has and that ends with the process.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self { keys: Arc::new(RwLock::new(Arc::new([SealingKey::generate(0, now())]))), kept: None }
    }

    /// The keys in the file `path`, which is made if it is not there, for its owner alone. If the newest is older than
    /// `rotate_after`, another is added; what is older than that by `keep` has sealed nothing that is still valid, and is dropped.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn load(path: &Path, rotate_after: Duration, keep: Duration) -> Result<Self, KeyError> {
        Self::kept(Kept::Own { path: path.to_owned(), rotate_after, keep })
    }

    /// The keys in the file `path`, which others have too: what one seals all open, so the file has to say the same everywhere, and
    /// is never written here. The first of its keys seals, all open. To rotate them, add a key at the end of every copy, and move it
    /// to the front when each server has [read](Self::refresh) it; take out the old one when all that it has sealed has expired.
    ///
    /// ```json
    /// { "keys": [{ "id": 1, "key": "32 random bytes in base64: `openssl rand -base64 32`" }] }
    /// ```
    ///
    /// # Errors
    /// See [`KeyError`]. A file that is not there is one: a key made here would be nobody else's.
    pub fn shared(path: &Path) -> Result<Self, KeyError> {
        Self::kept(Kept::Shared { path: path.to_owned() })
    }

    fn kept(kept: Kept) -> Result<Self, KeyError> {
        let keys = kept.keys()?;
        Ok(Self { keys: Arc::new(RwLock::new(keys.into())), kept: Some(Arc::new(kept)) })
    }

    /// Reads the file again, and does with it what [`load`](Self::load) does: to be called now and then, and by a process that is
    /// to open what another one with the same file has sealed.
    ///
    /// # Errors
    /// See [`KeyError`]: the ring is as it was.
    pub fn refresh(&self) -> Result<(), KeyError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let keys = kept.keys()?.into();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    pub(crate) fn keys(&self) -> Arc<[SealingKey]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn keys(&self) -> Result<Vec<SealingKey>, KeyError> {
        match self {
            Self::Own { path, rotate_after, keep } => Self::rotated(path, *rotate_after, *keep),
            Self::Shared { path } => match read(path)? {
                keys if keys.is_empty() => {
                    Err(KeyError::Malformed { path: path.clone(), reason: "there is no key in it".into() })
                }
                keys => Ok(keys),
            },
        }
    }

    /// The keys in the file, with a new one if it is time for that.
    fn rotated(path: &Path, rotate_after: Duration, keep: Duration) -> Result<Vec<SealingKey>, KeyError> {
        let mut keys = match read(path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        keys.sort_by_key(|key| std::cmp::Reverse((key.made, key.id)));
        let now = now();
        let fresh =
            keys.first().is_some_and(|newest| now.saturating_sub(newest.made) < rotate_after.as_secs());
        let before = keys.len();
        if !fresh {
            let id = keys.iter().map(|key| key.id).max().map_or(0, |id| id.wrapping_add(1));
            keys.insert(0, SealingKey::generate(id, now));
        }
        let valid = rotate_after.saturating_add(keep).as_secs();
        keys.retain(|key| now.saturating_sub(key.made) <= valid || key.made > now);
        if !fresh || keys.len() != before {
            write(path, &keys)?;
        }
        Ok(keys)
    }
}

impl SealingKey {
    fn generate(id: u32, made: Seconds) -> Self {
        Self { id, key: Key::<XChaCha20Poly1305>::generate(), made }
    }
}

fn read(path: &Path) -> Result<Vec<SealingKey>, KeyError> {
    let unreadable = |source| KeyError::File { path: path.to_owned(), what: "read", source };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let malformed = |reason: String| KeyError::Malformed { path: path.to_owned(), reason };
    let file: KeyFile = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let ids: HashSet<_> = file.keys.iter().map(|entry| entry.id).collect();
    if ids.len() != file.keys.len() {
        return Err(malformed("two keys have the same id".into()));
    }
    file.keys
        .into_iter()
        .map(|entry| {
            let bytes = BASE64.decode(entry.key.as_bytes()).map_err(|error| malformed(error.to_string()))?;
            let key = Key::<XChaCha20Poly1305>::try_from(bytes.as_slice()).map_err(|_| {
                malformed(format!("key {} has {} bytes instead of 32", entry.id, bytes.len()))
            })?;
            Ok(SealingKey { id: entry.id, key, made: entry.made })
        })
        .collect()
}

/// Writes a new file and puts it in the place of the old one, so that there is a whole one at any time.
fn write(path: &Path, keys: &[SealingKey]) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), what: "written", source };
    let entry = |key: &SealingKey| KeyEntry { id: key.id, made: key.made, key: BASE64.encode(&key.key) };
    let file = KeyFile { keys: keys.iter().map(entry).collect() };
    let text = serde_json::to_string_pretty(&file).expect("texts and numbers are JSON");
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut opened = options.open(&temporary).map_err(failed)?;
    opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

fn now() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys().iter().map(|key| key.id)).finish()
    }
}
