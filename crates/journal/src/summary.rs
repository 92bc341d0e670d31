//! What is known of a session without its journal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ClientId, End, Entry, EntryEvent, Question, Seq, SessionId, Timestamp};

/// What a session is doing, as far as a store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The tool runs, or would if its process were there.
    Working,
    /// It waits for answers.
    InputRequired,
    /// It ended with a result.
    Completed,
    /// It ended with an error, or its time was over.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl SessionState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Working, Self::InputRequired, Self::Completed, Self::Failed, Self::Cancelled];

    /// Whether it is the last one.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Working | Self::InputRequired => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A session at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Which.
    pub session: SessionId,
    /// What it runs.
    pub tool: Arc<str>,
    /// The version of its code.
    pub version: u32,
    /// Whose it is.
    pub principal: Arc<str>,
    /// What it is doing.
    pub state: SessionState,
    /// The last round that closed; 0 if none has.
    pub round: u32,
    /// What it waits for.
    pub questions: Vec<Question>,
    /// When it began.
    pub started: Timestamp,
    /// When its last entry was written.
    pub updated: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// When it has to be woken.
    pub wake: Option<Timestamp>,
    /// Whether it goes on without a request.
    pub detached: bool,
    /// The client that it goes on for, if that is known.
    pub client: Option<ClientId>,
    /// The place that its next entry takes.
    pub next: Seq,
}

impl SessionSummary {
    /// The summary of a session that begins with `entry`; None unless that is how one begins.
    #[must_use]
    pub fn begin(entry: &Entry) -> Option<Self> {
        let EntryEvent::Started(started) = &entry.event else { return None };
        Some(Self {
            session: entry.session,
            tool: Arc::clone(&started.tool),
            version: started.version,
            principal: Arc::clone(&started.principal),
            state: SessionState::Working,
            round: 0,
            questions: Vec::new(),
            started: started.at,
            updated: entry.at,
            expires: started.expires,
            wake: entry.wake,
            detached: false,
            client: started.origin.as_ref().map(|origin| origin.client),
            next: entry.seq.after(1),
        })
    }

    /// What `entry` makes of it.
    pub fn apply(&mut self, entry: &Entry) {
        SummaryChange::of(entry).apply_to(self);
    }
}

/// What entries change of a summary, for a store that keeps it in step without reading it.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryChange {
    /// The place that the session's next entry takes.
    pub next: Seq,
    /// When the last of them was written.
    pub updated: Timestamp,
    /// When the session has to be woken.
    pub wake: Option<Timestamp>,
    /// Whether the session goes on without a request from now on.
    pub detached: bool,
    /// The round that closed, if one has.
    pub round: Option<u32>,
    /// When the session expires, if that has changed.
    pub expires: Option<Timestamp>,
    /// What the session does from now on, and what it waits for, if the entries say so.
    pub phase: Option<(SessionState, Vec<Question>)>,
}

impl SummaryChange {
    /// What `entry` changes.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let mut expires = None;
        let (round, phase) = match &entry.event {
            EntryEvent::Asked { round, questions } => {
                (Some(*round), Some((SessionState::InputRequired, questions.clone())))
            }
            EntryEvent::Answered { .. } => (None, Some((SessionState::Working, Vec::new()))),
            EntryEvent::Finished { end, keep } => {
                expires = Some(*keep);
                let state = match end {
                    End::Completed(_) => SessionState::Completed,
                    End::Failed(_) | End::Expired => SessionState::Failed,
                    End::Cancelled => SessionState::Cancelled,
                };
                (None, Some((state, Vec::new())))
            }
            EntryEvent::Started(_)
            | EntryEvent::Detached
            | EntryEvent::Told { .. }
            | EntryEvent::Recorded { .. }
            | EntryEvent::Begun { .. }
            | EntryEvent::Completed { .. } => (None, None),
        };
        Self {
            next: entry.seq.after(1),
            updated: entry.at,
            wake: entry.wake,
            detached: matches!(entry.event, EntryEvent::Detached),
            round,
            expires,
            phase,
        }
    }

    /// Whether more changes than the next place, its moment and that to wake.
    #[must_use]
    pub const fn moves(&self) -> bool {
        self.detached || self.round.is_some() || self.expires.is_some() || self.phase.is_some()
    }

    /// This change and, after it, `later`.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            next: later.next,
            updated: later.updated,
            wake: later.wake,
            detached: self.detached || later.detached,
            round: later.round.or(self.round),
            expires: later.expires.or(self.expires),
            phase: later.phase.or(self.phase),
        }
    }

    /// Changes `summary`.
    pub fn apply_to(self, summary: &mut SessionSummary) {
        summary.next = self.next;
        summary.updated = self.updated;
        summary.wake = self.wake;
        summary.detached |= self.detached;
        if let Some(round) = self.round {
            summary.round = round;
        }
        if let Some(expires) = self.expires {
            summary.expires = expires;
        }
        if let Some((state, questions)) = self.phase {
            (summary.state, summary.questions) = (state, questions);
        }
    }
}
