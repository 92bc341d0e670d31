//! What an append asks for, ready to be bound: prepared by whoever appends, so that the writer only writes.

use std::sync::Arc;

use ostler_journal::{
    Entry, Question, Seq, SessionId, SessionState, SessionSummary, StorageError, SummaryChange, Timestamp,
};
use ostler_lease::Fence;

use crate::error::StoreError;

/// The entries of one session in one append: taken or refused together.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) session: SessionId,
    pub(crate) fence: Fence,
    /// Fences of the same part that are not that one: of a session that was written for two shards in one breath.
    pub(crate) other_fences: Vec<Fence>,
    /// The place of the first entry.
    pub(crate) first: Seq,
    /// Whether each entry has the place behind the one before it.
    pub(crate) gapless: bool,
    /// The session's summary after these entries, if they begin it.
    pub(crate) begun: Option<Box<SessionSummary>>,
    /// What the entries change of the summary otherwise.
    pub(crate) change: SummaryChange,
    /// How many of the entries only a replay needs.
    pub(crate) replay_only: i64,
    pub(crate) events: Vec<Event>,
}

/// An entry's event as JSON.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) replay_only: bool,
    /// When it was written.
    pub(crate) at: Timestamp,
    /// Shared, since a group that was refused is written again without what was wrong with it.
    pub(crate) json: Arc<Vec<u8>>,
}

impl Part {
    /// Takes a batch apart.
    pub(crate) fn of_batch(batch: &[(Fence, Entry)], entry_bytes: usize) -> Result<Vec<Self>, StorageError> {
        batch
            .chunk_by(|(_, one), (_, next)| one.session == next.session)
            .map(|entries| Self::of_session(entries, entry_bytes))
            .collect()
    }

    fn of_session(entries: &[(Fence, Entry)], entry_bytes: usize) -> Result<Self, StorageError> {
        let (fence, first) = &entries[0];
        let mut part = Self {
            session: first.session,
            fence: *fence,
            other_fences: Vec::new(),
            first: first.seq,
            gapless: true,
            begun: (first.seq == Seq::default())
                .then(|| SessionSummary::begin(first).map(Box::new))
                .flatten(),
            change: SummaryChange::of(first),
            replay_only: 0,
            events: Vec::with_capacity(entries.len()),
        };
        for (index, (fence, entry)) in entries.iter().enumerate() {
            if *fence != part.fence {
                part.other_fences.push(*fence);
            }
            if index > 0 {
                part.gapless &= entry.seq == part.change.next;
                part.follow(SummaryChange::of(entry));
            }
            let event = Event::of(entry, entry_bytes)?;
            part.replay_only += i64::from(event.replay_only);
            part.events.push(event);
        }
        Ok(part)
    }

    fn follow(&mut self, change: SummaryChange) {
        if let Some(summary) = &mut self.begun {
            change.clone().apply_to(summary);
        }
        self.change = self.change.clone().then(change);
    }

    /// The place behind the last entry.
    pub(crate) const fn next(&self) -> Seq {
        self.change.next
    }

    /// Whether it can be taken without being looked at more closely, if the store agrees on its first place and its fence.
    pub(crate) fn is_plain(&self) -> bool {
        self.gapless
            && self.other_fences.is_empty()
            && (self.begun.is_some() == (self.first == Seq::default()))
    }

    /// This part and, behind it, `later` of the same session.
    pub(crate) fn extend(&mut self, later: Self) {
        self.follow(later.change);
        self.replay_only += later.replay_only;
        self.events.extend(later.events);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.json.len()).sum()
    }
}

impl Event {
    fn of(entry: &Entry, most: usize) -> Result<Self, StorageError> {
        let json = json(&entry.event)?;
        if json.len() > most {
            return Err(StoreError::TooLarge { bytes: json.len(), most }.into());
        }
        Ok(Self { replay_only: !entry.event.outlives_end(), at: entry.at, json: Arc::new(json) })
    }
}

/// The questions as they are stored: none as nothing.
pub(crate) fn questions(questions: &[Question]) -> Option<Vec<u8>> {
    // An entry with the same questions has been written as JSON before.
    (!questions.is_empty()).then(|| json(questions).expect("questions have been JSON before"))
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(value)
        .map_err(|error| StorageError::new("an entry cannot be written as JSON").with_source(error))
}

/// A state as it is stored.
pub(crate) const fn number_of(state: SessionState) -> i64 {
    match state {
        SessionState::Working => 0,
        SessionState::InputRequired => 1,
        SessionState::Completed => 2,
        SessionState::Failed => 3,
        SessionState::Cancelled => 4,
    }
}
