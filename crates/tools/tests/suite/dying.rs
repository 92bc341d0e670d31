//! A store of a process that dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use ostler_journal::{AppendResult, CountsResult, Entry, EntryEvent, StorageError};
use ostler_lease::Fence;
use ostler_tools::{JournalStorage, ListQuery, MemoryStorage, SessionId, SessionSummary, Timestamp};

/// A store that hangs for ever once it has taken so many batches, and has or has not taken the last of them: the process is
/// as good as dead.
#[derive(Clone)]
pub(crate) struct Dying {
    storage: MemoryStorage,
    left: Arc<AtomicUsize>,
    last: LastWrite,
    dead: Arc<AtomicBool>,
}

impl JournalStorage for Dying {
    fn append(&self, batch: Vec<(Fence, Entry)>) -> BoxFuture<'_, AppendResult> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            if !self.dead.swap(true, Ordering::SeqCst) && self.last == LastWrite::Durable {
                let storage = self.storage.clone();
                return async move {
                    let _ = storage.append(batch).await;
                    std::future::pending().await
                }
                .boxed();
            }
            return std::future::pending().boxed();
        }
        self.left.store(left - 1, Ordering::SeqCst);
        self.storage.append(batch)
    }

    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>> {
        self.storage.load(session)
    }

    fn summary(&self, session: SessionId) -> BoxFuture<'_, Result<Option<SessionSummary>, StorageError>> {
        self.storage.summary(session)
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Vec<SessionSummary>, StorageError>> {
        self.storage.list(query)
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.storage.due(now, limit)
    }

    fn expire(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.storage.expire(now, limit)
    }

    fn counts(&self) -> BoxFuture<'_, CountsResult> {
        self.storage.counts()
    }

    fn compact(&self, limit: usize) -> BoxFuture<'_, Result<usize, StorageError>> {
        self.storage.compact(limit)
    }
}

impl Dying {
    /// Writes to `storage`, and dies at the write behind so many.
    pub(crate) fn after(batches: usize, last: LastWrite, storage: &MemoryStorage) -> Self {
        let left = Arc::new(AtomicUsize::new(batches));
        Self { storage: storage.clone(), left, last, dead: Arc::default() }
    }
}

/// Whether the write at which a process dies is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastWrite {
    Lost,
    /// But nobody has been told.
    Durable,
}
