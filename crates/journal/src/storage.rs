//! Where journals are kept.

use std::error::Error;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use ostler_lease::{Fence, Fenced};

use crate::{ClientId, Entry, EntryEvent, Seq, SessionId, SessionSummary, Timestamp};

/// Keeps journals. What [`append`](Self::append) has confirmed survives the death of the process and of the machine, as far as
/// the implementation promises that at all.
pub trait JournalStorage: Send + Sync + 'static {
    /// Appends `batch`: the only write there is. Each entry is either durable when this resolves, or refused and without
    /// effect. The entries of one session stand in the order of their places and are taken or refused together; a refused
    /// session does not touch the others.
    ///
    /// Dropped before it resolves, the entries may have been written or not.
    ///
    /// # Errors
    /// [`StorageError`] if nothing can be said of any of them: they may have been written or not, and the sessions must be
    /// loaded anew before they go on.
    fn append(&self, batch: Vec<(Fence, Entry)>) -> BoxFuture<'_, AppendResult>;

    /// All entries of a session, in order; none if there is no such session.
    ///
    /// # Errors
    /// [`StorageError`]
    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>>;

    /// The entries of a session that has not ended, from the place `from` on. Of one that has ended some may be gone, and places tell
    /// nothing.
    ///
    /// # Errors
    /// [`StorageError`]
    fn load_from(
        &self,
        session: SessionId,
        from: Seq,
    ) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>> {
        let loaded = self.load(session);
        async move {
            let mut entries = loaded.await?;
            let from = usize::try_from(from.number()).unwrap_or(usize::MAX);
            Ok(entries.split_off(from.min(entries.len())))
        }
        .boxed()
    }

    /// What is known of a session without its journal.
    ///
    /// # Errors
    /// [`StorageError`]
    fn summary(&self, session: SessionId) -> BoxFuture<'_, Result<Option<SessionSummary>, StorageError>>;

    /// Sessions in the order of their ids, which is that of their age, behind `after`.
    ///
    /// # Errors
    /// [`StorageError`]
    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Vec<SessionSummary>, StorageError>>;

    /// Sessions that have to be woken by `now`, the longest overdue first.
    ///
    /// # Errors
    /// [`StorageError`]
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>>;

    /// Deletes sessions that have expired by `now`, unfinished ones too, and says which.
    ///
    /// # Errors
    /// [`StorageError`]
    fn expire(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>>;

    /// How many unfinished sessions each principal has.
    ///
    /// # Errors
    /// [`StorageError`]
    fn counts(&self) -> BoxFuture<'_, CountsResult>;

    /// Drops the entries of finished sessions that only a replay would need, and gives the number of sessions that were
    /// shortened.
    ///
    /// # Errors
    /// [`StorageError`]
    fn compact(&self, limit: usize) -> BoxFuture<'_, Result<usize, StorageError>>;
}

/// One answer for each entry of a batch.
pub type AppendResult = Result<Vec<Result<Seq, AppendRefused>>, StorageError>;

/// How many sessions each principal has.
pub type CountsResult = Result<Vec<(Arc<str>, u64)>, StorageError>;

/// Which sessions to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Only the sessions behind this one.
    pub after: Option<SessionId>,
    /// Only the sessions of this principal.
    pub principal: Option<Arc<str>>,
    /// Only the sessions of calls of this client.
    pub client: Option<ClientId>,
    /// Only sessions that have not ended.
    pub unfinished: bool,
    /// As many at the most.
    pub limit: usize,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { after: None, principal: None, client: None, unfinished: false, limit: 100 }
    }
}

/// Why an entry was not written. It changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefused {
    /// The writer does not own the session's shard any more.
    #[error(transparent)]
    Fenced(#[from] Fenced),
    /// The session goes on elsewhere, or has been deleted: the place is taken, or the one before it is empty.
    #[error("session {session} has gone on without this writer")]
    Superseded {
        /// Which.
        session: SessionId,
    },
}

/// The store cannot do what it was asked. What is in it is as it was, or as it was to be.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    /// What, and what can be done about it.
    pub message: Arc<str>,
    /// What the store's library said.
    #[source]
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StorageError {
    /// An error that says `message`.
    #[must_use]
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// The same, with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}
