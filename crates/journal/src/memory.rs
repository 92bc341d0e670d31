//! Journals in memory: for tests, and for who can do without them after a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use ostler_lease::{Epoch, Fence, Shard};

use crate::storage::AppendResult;
use crate::{
    AppendRefused, Entry, EntryEvent, JournalStorage, ListQuery, SessionId, SessionSummary, StorageError,
    Timestamp,
};

/// Keeps journals in memory. A clone shows the same journals, so a test can let one user of them die and another go on.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: BTreeMap<SessionId, (SessionSummary, Vec<EntryEvent>)>,
    /// The epochs of shards that have changed hands. All others are in their first.
    epochs: BTreeMap<Shard, Epoch>,
}

impl MemoryStorage {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `shard` to its next owner: whoever has written for it so far is fenced off.
    pub fn pass_on(&self, shard: Shard) -> Fence {
        let mut kept = self.kept();
        let epoch = kept.epochs.get(&shard).copied().unwrap_or(Epoch::FIRST).next();
        kept.epochs.insert(shard, epoch);
        Fence::new(shard, epoch)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Kept) -> T,
    ) -> BoxFuture<'_, Result<T, StorageError>> {
        ready(Ok(work(&mut self.kept()))).boxed()
    }
}

impl Kept {
    fn append(&mut self, batch: &[(Fence, Entry)]) -> Result<(), AppendRefused> {
        let (mut next, session) = match batch {
            [(_, first), ..] => (self.next_of(first), first.session),
            [] => return Ok(()),
        };
        for (fence, entry) in batch {
            fence.check(self.epochs.get(&fence.shard()).copied().unwrap_or(Epoch::FIRST))?;
            if entry.seq != next {
                return Err(AppendRefused::Superseded { session });
            }
            next = next.after(1);
        }
        for (_, entry) in batch {
            match self.sessions.get_mut(&session) {
                Some((summary, entries)) => {
                    summary.apply(entry);
                    entries.push(entry.event.clone());
                }
                None => {
                    let Some(summary) = SessionSummary::begin(entry) else {
                        return Err(AppendRefused::Superseded { session });
                    };
                    self.sessions.insert(session, (summary, vec![entry.event.clone()]));
                }
            }
        }
        Ok(())
    }

    fn next_of(&self, entry: &Entry) -> crate::Seq {
        self.sessions.get(&entry.session).map_or_else(crate::Seq::default, |(summary, _)| summary.next)
    }
}

impl JournalStorage for MemoryStorage {
    fn append(&self, batch: Vec<(Fence, Entry)>) -> BoxFuture<'_, AppendResult> {
        self.answer(move |kept| {
            let mut answers = Vec::with_capacity(batch.len());
            for of_session in batch.chunk_by(|(_, one), (_, next)| one.session == next.session) {
                let refused = kept.append(of_session);
                answers.extend(of_session.iter().map(|(_, entry)| refused.map(|()| entry.seq)));
            }
            answers
        })
    }

    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<Vec<EntryEvent>, StorageError>> {
        self.answer(|kept| kept.sessions.get(&session).map_or_else(Vec::new, |(_, entries)| entries.clone()))
    }

    fn summary(&self, session: SessionId) -> BoxFuture<'_, Result<Option<SessionSummary>, StorageError>> {
        self.answer(|kept| kept.sessions.get(&session).map(|(summary, _)| summary.clone()))
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Vec<SessionSummary>, StorageError>> {
        self.answer(|kept| {
            kept.sessions
                .values()
                .map(|(summary, _)| summary)
                .filter(|summary| query.after.is_none_or(|after| summary.session > after))
                .filter(|summary| query.principal.as_ref().is_none_or(|name| *name == summary.principal))
                .filter(|summary| query.client.is_none_or(|client| summary.client == Some(client)))
                .filter(|summary| !query.unfinished || !summary.state.is_final())
                .take(query.limit)
                .cloned()
                .collect()
        })
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.answer(|kept| {
            let of = |summary: &SessionSummary| match summary.wake {
                Some(wake) if wake <= now && !summary.state.is_final() => Some((wake, summary.session)),
                Some(_) | None => None,
            };
            let mut due: Vec<_> = kept.sessions.values().filter_map(|(summary, _)| of(summary)).collect();
            due.sort_unstable();
            due.into_iter().take(limit).map(|(_, session)| session).collect()
        })
    }

    fn expire(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<SessionId>, StorageError>> {
        self.answer(|kept| {
            let over = |(session, (summary, _)): (&SessionId, &(SessionSummary, _))| {
                (summary.expires <= now).then_some(*session)
            };
            let expired: Vec<_> = kept.sessions.iter().filter_map(over).take(limit).collect();
            for session in &expired {
                kept.sessions.remove(session);
            }
            expired
        })
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Arc<str>, u64)>, StorageError>> {
        self.answer(|kept| {
            let mut counts = BTreeMap::<Arc<str>, u64>::new();
            for (summary, _) in kept.sessions.values().filter(|(summary, _)| !summary.state.is_final()) {
                *counts.entry(Arc::clone(&summary.principal)).or_default() += 1;
            }
            counts.into_iter().collect()
        })
    }

    fn compact(&self, limit: usize) -> BoxFuture<'_, Result<usize, StorageError>> {
        self.answer(|kept| {
            let over = |(summary, entries): &&mut (SessionSummary, Vec<EntryEvent>)| {
                summary.state.is_final() && !entries.iter().all(EntryEvent::outlives_end)
            };
            let mut shortened = 0;
            for (_, entries) in kept.sessions.values_mut().filter(over).take(limit) {
                entries.retain(EntryEvent::outlives_end);
                shortened += 1;
            }
            shortened
        })
    }
}
