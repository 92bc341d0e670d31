//! What Ostler keeps on disk: the store of journals, and the keys that states are sealed with.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ostler_config::{Config, Resume, StoreUrl};
use ostler_mcp::{KeyError, KeyRing};
use ostler_scope::{Closed, Scope};
use ostler_store::{OpenError, SqliteConfig, SqliteStorage};
use ostler_tools::{JournalStorage, MemoryStorage};

/// How long a key seals.
const ROTATE_AFTER: Duration = Duration::from_hours(30 * 24);

/// How often it is seen to whether it is time for another one.
const LOOK_AFTER_KEYS: Duration = Duration::from_hours(1);

/// The name of the file of keys.
const KEYS: &str = "keys.json";

/// The name of the default store.
const STORE: &str = "ostler.db";

/// What is kept on disk, while it is open.
#[derive(Clone)]
pub(crate) struct Data {
    /// None if nothing is stored.
    pub(crate) storage: Option<Arc<dyn JournalStorage>>,
    pub(crate) keys: KeyRing,
    /// The database, if it is one: it has to be shared with a successor.
    pub(crate) database: Option<SqliteStorage>,
}

/// Why what is kept on disk cannot be used. Nothing is left open.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nobody says where it is.
    #[error(
        "there is no data directory: neither `store.directory` nor STATE_DIRECTORY, XDG_DATA_HOME or HOME is set"
    )]
    NoDirectory,
    /// The directory cannot be made.
    #[error("the data directory {} cannot be made", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The scope was halted meanwhile.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl Data {
    /// Opens what `config` names. A `successor` opens a database that its predecessor has shared.
    pub(crate) async fn open(scope: &Scope, config: &Config, successor: bool) -> Result<Self, DataError> {
        let (storage, database): (Option<Arc<dyn JournalStorage>>, _) = match config.tools.resume {
            Resume::Sealed => (None, None),
            Resume::Journal => match database(config)? {
                None => (Some(Arc::new(MemoryStorage::new())), None),
                Some(path) => {
                    let sqlite = SqliteConfig { successor, ..SqliteConfig::at(path) };
                    let database = SqliteStorage::open(scope, sqlite).await?;
                    (Some(Arc::new(database.clone())), Some(database))
                }
            },
        };
        let keys = keys(config)?;
        let ring = keys.clone();
        scope.daemon("keys", async move {
            loop {
                tokio::time::sleep(LOOK_AFTER_KEYS).await;
                if let Err(error) = ring.refresh() {
                    tracing::warn!(%error, "the keys stay as they are");
                }
            }
            #[expect(unreachable_code, reason = "it gives the future its type")]
            Ok::<_, Closed>(())
        })?;
        Ok(Self { storage, keys, database })
    }
}

/// The file of the database, if journals outlive the process.
fn database(config: &Config) -> Result<Option<PathBuf>, DataError> {
    match &config.store.url {
        Some(StoreUrl::Memory) => Ok(None),
        Some(StoreUrl::Sqlite(path)) => {
            made_directory(config)?;
            Ok(Some(path.clone()))
        }
        None => Ok(Some(made_directory(config)?.join(STORE))),
    }
}

/// The keys that others have too, or those of this server alone.
fn keys(config: &Config) -> Result<KeyRing, DataError> {
    if let Some(path) = &config.tools.keys {
        return Ok(KeyRing::shared(path)?);
    }
    if config.store.url == Some(StoreUrl::Memory) {
        return Ok(KeyRing::ephemeral());
    }
    let path = made_directory(config)?.join(KEYS);
    Ok(KeyRing::load(&path, ROTATE_AFTER, config.tools.ttl.max(config.mcp.session_ttl))?)
}

/// The data directory, which is there now.
fn made_directory(config: &Config) -> Result<PathBuf, DataError> {
    let directory = directory(config)?;
    make(&directory)?;
    Ok(directory)
}

/// The data directory.
fn directory(config: &Config) -> Result<PathBuf, DataError> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd separates several directories by colons.
    let of_unit = named("STATE_DIRECTORY").and_then(|paths| env::split_paths(&paths).next());
    config
        .store
        .directory
        .clone()
        .or(of_unit)
        .or_else(|| named("XDG_DATA_HOME").map(|path| path.join("ostler")))
        .or_else(|| named("HOME").map(|path| path.join(".local/share/ostler")))
        .ok_or(DataError::NoDirectory)
}

/// Makes the directory, for its owner alone, if it is not there.
fn make(path: &Path) -> Result<(), DataError> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| DataError::Directory { path: path.to_owned(), source })
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.database, &self.storage) {
            (Some(database), _) => write!(f, "Data({})", database.path().display()),
            (None, Some(_)) => f.write_str("Data(memory)"),
            (None, None) => f.write_str("Data(nothing)"),
        }
    }
}
