//! A storage of a process that dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use ostler_journal::{
    AppendResult, CountsResult, Entry, EntryEvent, JournalStorage, ListQuery, MemoryStorage, SessionId,
    SessionSummary, StorageError, Timestamp,
};
use ostler_lease::Fence;
use tokio_util::sync::CancellationToken;

/// What becomes of the write at which a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWrite {
    /// It is lost.
    Lost,
    /// It is durable, but nobody has been told.
    Durable,
}

/// Writes to what outlives it, as often as it is allowed to; then it is dead, and nothing comes of what it is asked for.
#[derive(Clone)]
pub(super) struct Mortal {
    storage: MemoryStorage,
    left: Arc<AtomicUsize>,
    last: LastWrite,
    dead: CancellationToken,
}

impl Mortal {
    /// Dies at its write number `writes`, counted from 0.
    pub(super) fn new(storage: MemoryStorage, writes: usize, last: LastWrite) -> Self {
        Self { storage, left: Arc::new(AtomicUsize::new(writes)), last, dead: CancellationToken::new() }
    }

    /// Fires when it dies.
    pub(super) fn death(&self) -> CancellationToken {
        self.dead.clone()
    }

    /// What `storage` says, while there is somebody to hear it.
    fn alive<'s, T: Send + 's>(&self, answer: BoxFuture<'s, T>) -> BoxFuture<'s, T> {
        if self.dead.is_cancelled() { pending().boxed() } else { answer }
    }
}

impl JournalStorage for Mortal {
    fn append(&self, batch: Vec<(Fence, Entry)>) -> BoxFuture<'_, AppendResult> {
        if self.dead.is_cancelled() {
            return pending().boxed();
        }
        let left = self.left.load(Ordering::SeqCst);
        self.left.store(left.saturating_sub(1), Ordering::SeqCst);
        if left > 0 {
            return self.storage.append(batch);
        }
        async move {
            if self.last == LastWrite::Durable {
                let _ = self.storage.append(batch).await;
            }
            self.dead.cancel();
            pending().await
        }
        .boxed()
    }

    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>> {
        self.alive(self.storage.load(session))
    }

    fn summary(&self, session: SessionId) -> BoxFuture<'_, Result<Option<SessionSummary>, StorageError>> {
        self.alive(self.storage.summary(session))
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Vec<SessionSummary>, StorageError>> {
        self.alive(self.storage.list(query))
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.alive(self.storage.due(now, limit))
    }

    fn expire(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.alive(self.storage.expire(now, limit))
    }

    fn counts(&self) -> BoxFuture<'_, CountsResult> {
        self.alive(self.storage.counts())
    }

    fn compact(&self, limit: usize) -> BoxFuture<'_, Result<usize, StorageError>> {
        self.alive(self.storage.compact(limit))
    }
}
