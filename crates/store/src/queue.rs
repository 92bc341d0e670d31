//! What the writer is asked for.

use ostler_journal::{AppendResult, Entry, SessionId, StorageError, Timestamp};
use ostler_lease::{Fence, Shard};
use tokio::sync::oneshot;

use crate::part::Part;

/// Where a job's result goes. Nobody may be there any more, which changes nothing.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, StorageError>>;

/// A write. They are done in the order in which they came.
pub(crate) enum Job {
    Append(Append),
    Expire { now: Timestamp, limit: usize, answer: Answer<Vec<SessionId>> },
    Compact { limit: usize, answer: Answer<usize> },
    PassOn { shard: Shard, answer: Answer<Fence> },
}

/// One batch.
pub(crate) struct Append {
    pub(crate) parts: Vec<Part>,
    pub(crate) answer: oneshot::Sender<AppendResult>,
}

impl Append {
    pub(crate) fn of(
        batch: &[(Fence, Entry)],
        entry_bytes: usize,
        answer: oneshot::Sender<AppendResult>,
    ) -> Result<Self, StorageError> {
        Ok(Self { parts: Part::of_batch(batch, entry_bytes)?, answer })
    }

    pub(crate) fn entries(&self) -> usize {
        self.parts.iter().map(|part| part.events.len()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(Part::bytes).sum()
    }
}
