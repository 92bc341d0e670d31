//! The process dies after each entry of the journal, and the client tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use ostler_journal::{AppendResult, CountsResult, Entry, EntryEvent, StorageError};
use ostler_lease::Fence;
use ostler_scope::Scope;
use ostler_tools::{
    Answer, JournalStorage, ListQuery, MemoryStorage, Reply, SessionId, SessionSummary, Timestamp,
};
use serde_json::Value;

use crate::flight::{Effects, ada, answers, start, to_rome, tools};

/// A store that hangs for ever once it has taken so many batches, and has or has not taken the last of them: the process is
/// as good as dead.
#[derive(Clone)]
struct Dying {
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

/// Whether the write at which a process dies is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastWrite {
    Lost,
    /// But nobody has been told.
    Durable,
}

/// Books, with a process that dies after `batches` writes, and others that do not. Gives the booking, or why there is none.
async fn book_with_a_death_after(
    batches: usize,
    last: LastWrite,
    effects: &Effects,
) -> Result<Value, String> {
    let storage = MemoryStorage::new();
    let mut left = batches;
    let (mut known, mut answer) = (None, None);
    loop {
        let scope = Scope::root("process").open().expect("a root opens");
        let left_here = Arc::new(AtomicUsize::new(left));
        let dying = Dying { storage: storage.clone(), left: left_here, last, dead: Arc::default() };
        let sessions = start(&scope, tools(effects), dying);
        let reply = loop {
            let request = match &answer {
                None => sessions.call(to_rome(), ada()).left_future(),
                Some(answer) => sessions.answer(Answer::clone(answer), ada()).right_future(),
            };
            // Long enough for everything but a store that hangs.
            let Ok(reply) = tokio::time::timeout(std::time::Duration::from_secs(1), request).await else {
                break None;
            };
            match reply.expect("the answer is taken") {
                Reply::Input(asked) => {
                    assert!(
                        !asked.questions.is_empty(),
                        "a round without a question, {last:?} after {batches}"
                    );
                    let session = *known.get_or_insert(asked.session);
                    assert_eq!(session, asked.session);
                    let answers = answers(&asked);
                    answer = Some(Answer { session, round: asked.round, call: None, answers });
                }
                other => break Some(other),
            }
        };
        // The death: nothing is drained, nothing is told.
        std::mem::forget(scope);
        left = usize::MAX;
        match reply {
            Some(Reply::Done(result)) => return Ok(result.read().expect("a result is an object")),
            Some(Reply::Failed(failure)) => return Err(failure.to_string()),
            Some(Reply::Input(_) | Reply::Task(_)) | None => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_booking_survives_a_death_after_every_write() {
    for last in [LastWrite::Lost, LastWrite::Durable] {
        let mut deaths = 0;
        loop {
            let effects = Effects::default();
            let booked = book_with_a_death_after(deaths, last, &effects).await;
            let ran =
                [&effects.searched, &effects.held, &effects.charged].map(|counter| Effects::count(counter));
            // What ran when the process died may have run again, but only that.
            assert!(ran[0] <= 2 && ran[1] <= 2 && ran[0] + ran[1] <= 3, "{ran:?} after {deaths} writes");
            assert!(ran[2] <= 1, "the charge, after {deaths} writes");
            match booked {
                Ok(booking) => {
                    assert_eq!(booking["structuredContent"]["flight"], "Rome-2");
                    assert_eq!(booking["structuredContent"]["row"], 12);
                    assert_eq!(ran[2], 1, "the charge, after {deaths} writes");
                }
                // It had begun to charge, and nobody knows whether it did.
                Err(reason) => assert_eq!(reason, "whether `charge` has happened is not known"),
            }
            if ran[0] + ran[1] == 2 && deaths > 20 {
                break;
            }
            deaths += 1;
        }
    }
}
