//! The store as its users see it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use ostler_journal::{
    AppendResult, Entry, EntryEvent, JournalStorage, ListQuery, Seq, SessionId, SessionSummary, StorageError,
    Timestamp,
};
use ostler_lease::{Fence, Shard};
use ostler_scope::{BoxError, Scope};
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::config::SqliteConfig;
use crate::error::{OpenError, StoreError};
use crate::lock::{Lock, LockError, private};
use crate::queue::{Answer, Append, Job};
use crate::read::{self, ReadError};
use crate::readers::Readers;
use crate::wal::Wal;
use crate::writer::Writer;
use crate::{schema, sql};

/// Keeps journals in an SQLite file. A clone is the same store.
///
/// What an append has confirmed is on the disk: it survives the process, the system and, as far as the disk keeps its word, the
/// power supply.
#[derive(Clone)]
pub struct SqliteStorage {
    inner: Arc<Inner>,
}

struct Inner {
    path: Arc<Path>,
    lock: Lock,
    jobs: mpsc::Sender<Job>,
    readers: Readers,
    entry_bytes: usize,
    counters: Arc<Counters>,
}

/// What has been written since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) entries: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// What has been written since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries that are durable.
    pub entries: u64,
    /// Groups of them that were committed together.
    pub commits: u64,
    /// Writes that failed: of a full disk, say.
    pub failures: u64,
}

const PAGE: u64 = 4096;

impl SqliteStorage {
    /// Opens the store, creating the file with mode 0600 if there is none, and brings an older schema up to date.
    ///
    /// Its writer is a daemon of `scope`. When that halts, what is queued is committed, and the file is closed and unlocked.
    ///
    /// A relative path is one from the current directory. Links are followed: two names of one file are one store.
    ///
    /// # Errors
    /// [`OpenError`]; the file is as it was.
    pub async fn open(scope: &Scope, config: SqliteConfig) -> Result<Self, OpenError> {
        let path: Arc<Path> = create(&config.path)?.into();
        let lock = Lock::take(&path, config.successor)?;
        let failed = |source| OpenError::from_sqlite(&path, source);

        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(config.busy_timeout)
            .thread_name(|number| format!("ostler-store-{number}"))
            .disable_statement_logging();
        let mut first = options.clone().page_size(PAGE as u32).connect().await.map_err(failed)?;
        schema::prepare(&path, &mut first).await?;
        close(first).await;

        let writing = writing(options.clone(), &config);
        let connection = writing.connect().await.map_err(failed)?;
        let (jobs, received) = mpsc::channel(config.queue.max(1));
        let (stop, stopped) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            path: Arc::clone(&path),
            options: writing,
            connection: Some(connection),
            jobs: received,
            waiting: std::collections::VecDeque::new(),
            group_entries: config.group_entries,
            group_bytes: config.group_bytes,
            wal: Wal::new(&path, config.wal_bytes),
            broken: None,
            counters: Arc::clone(&counters),
        };
        let inner = Arc::new(Inner {
            lock,
            jobs,
            readers: Readers::new(options.read_only(true), config.readers),
            entry_bytes: config.entry_bytes,
            path,
            counters,
        });
        scope.daemon("store writer", async move {
            writer.run(stopped).await;
            let _ = done.send(());
            // Only its scope ends a daemon.
            std::future::pending::<Result<(), BoxError>>().await
        })?;
        let closing = Arc::clone(&inner);
        scope.ensure("close store", |_| async move {
            // Who closes last copies the log into the file, which a reader cannot.
            closing.readers.close().await;
            let _ = stop.send(());
            let _ = ended.await;
            closing.lock.release();
            Ok::<_, BoxError>(())
        })?;
        Ok(Self { inner })
    }

    /// The file, by its one name without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What has been written since it was opened.
    #[must_use]
    pub fn written(&self) -> Written {
        let Counters { entries, commits, failures } = &*self.inner.counters;
        Written {
            entries: entries.load(Ordering::Relaxed),
            commits: commits.load(Ordering::Relaxed),
            failures: failures.load(Ordering::Relaxed),
        }
    }

    /// Lets a successor in, which opens the store with [`SqliteConfig::successor`]: from now on both may write, and fences tell
    /// whose sessions are whose. Nobody else should come: for a moment the system has the lock back, and gives it to whoever asks.
    ///
    /// # Errors
    /// [`LockError`]; if it is in use, somebody else has come in that moment.
    pub fn share(&self) -> Result<(), LockError> {
        self.inner.lock.share()
    }

    /// Lets nobody in any more: for a successor whose predecessor has ended, and for a predecessor whose successor has not come.
    ///
    /// # Errors
    /// [`LockError`]; as long as it is in use by the other, it stays shared.
    pub fn claim(&self) -> Result<(), LockError> {
        self.inner.lock.claim()
    }

    /// Gives `shard` to its next owner: whoever has written for it so far is fenced off.
    ///
    /// # Errors
    /// [`StorageError`] if nothing can be said of it.
    pub async fn pass_on(&self, shard: Shard) -> Result<Fence, StorageError> {
        self.ask(|answer| Job::PassOn { shard, answer }).await
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StorageError> {
        let (answer, answered) = oneshot::channel();
        self.inner.jobs.send(job(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, ReadError>,
    ) -> Result<T, StorageError> {
        let reader = self.inner.readers.get().await.map_err(|_| StoreError::Closed)?;
        let mut reader = reader.map_err(|error| StoreError::new(&self.inner.path, error))?;
        match work(&mut reader).await {
            Ok(value) => Ok(value),
            Err(ReadError::Damaged(error)) => Err(error),
            Err(ReadError::Sqlite(error)) => {
                reader.discard();
                Err(StoreError::new(&self.inner.path, error).into())
            }
        }
    }
}

impl JournalStorage for SqliteStorage {
    fn append(&self, batch: Vec<(Fence, Entry)>) -> BoxFuture<'_, AppendResult> {
        async move {
            let (answer, answered) = oneshot::channel();
            let append = Append::of(&batch, self.inner.entry_bytes, answer)?;
            if append.parts.is_empty() {
                return Ok(Vec::new());
            }
            self.inner.jobs.send(Job::Append(append)).await.map_err(|_| StoreError::Closed)?;
            answered.await.map_err(|_| StoreError::Closed)?
        }
        .boxed()
    }

    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>> {
        self.read(async move |reader| read::load(reader, session).await).boxed()
    }

    fn load_from(
        &self,
        session: SessionId,
        from: Seq,
    ) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>> {
        self.read(async move |reader| read::load_from(reader, session, from).await).boxed()
    }

    fn summary(&self, session: SessionId) -> BoxFuture<'_, Result<Option<SessionSummary>, StorageError>> {
        self.read(async move |reader| read::summary(reader, session).await).boxed()
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Vec<SessionSummary>, StorageError>> {
        self.read(async move |reader| read::listed(reader, query).await).boxed()
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.read(async move |reader| read::due(reader, now, limit).await).boxed()
    }

    fn expire(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.ask(move |answer| Job::Expire { now, limit, answer }).boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Arc<str>, u64)>, StorageError>> {
        self.read(async |reader| read::counts(reader).await).boxed()
    }

    fn compact(&self, limit: usize) -> BoxFuture<'_, Result<usize, StorageError>> {
        self.ask(move |answer| Job::Compact { limit, answer }).boxed()
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

/// Makes sure that the file is there and may be written, and gives its one name.
fn create(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::from_file(path, source);
    // Not left to the system, which lets root write it all the same.
    if std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().readonly()) {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    private().open(path).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

fn writing(options: SqliteConnectOptions, config: &SqliteConfig) -> SqliteConnectOptions {
    let pages = |bytes: u64| (bytes / PAGE).max(1).to_string();
    let options = options
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(sql::TEXTS + 8)
        .pragma("wal_autocheckpoint", pages(config.wal_bytes))
        .pragma("journal_size_limit", config.wal_bytes.to_string())
        .pragma("temp_store", "memory");
    match config.max_bytes {
        Some(bytes) => options.pragma("max_page_count", pages(bytes)),
        None => options,
    }
}

async fn close(connection: SqliteConnection) {
    // Whatever it had to say was said before.
    let _ = sqlx::Connection::close(connection).await;
}
