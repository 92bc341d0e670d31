//! A journal made anew from what was stored.

use crate::journal::{Journal, RoundState, digest_of};
use crate::{End, EntryEvent, Question, SCHEMA_VERSION, Seq, SessionId, Started};

/// A session as its journal tells it.
#[derive(Debug)]
pub struct Resumed {
    /// How it began.
    pub started: Started,
    /// Its journal, before the first poll of the tool.
    pub journal: Journal,
    /// The questions of the round that is open.
    pub questions: Vec<Question>,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// Why a journal cannot be resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// There is no such session, or not any more.
    #[error("there is no session {0}")]
    Unknown(SessionId),
    /// A later version has written it.
    #[error(
        "session {session} was written in version {found} of the journal, and this program knows {SCHEMA_VERSION}"
    )]
    Newer {
        /// Which.
        session: SessionId,
        /// The version of the journal's form.
        found: u32,
    },
    /// It does not begin with a beginning, or goes on behind its end.
    #[error("the journal of session {session} is damaged at entry {at}")]
    Damaged {
        /// Which.
        session: SessionId,
        /// Where.
        at: Seq,
    },
}

impl Journal {
    /// The journal of a session of which `entries` are stored.
    ///
    /// # Errors
    /// See [`ResumeError`].
    pub fn resume(session: SessionId, entries: Vec<EntryEvent>) -> Result<Resumed, ResumeError> {
        let mut entries = entries.into_iter().zip(0..);
        let started = match entries.next() {
            None => return Err(ResumeError::Unknown(session)),
            Some((EntryEvent::Started(started), _)) => *started,
            Some(_) => return Err(ResumeError::Damaged { session, at: Seq::default() }),
        };
        if started.schema > SCHEMA_VERSION {
            return Err(ResumeError::Newer { session, found: started.schema });
        }
        let mut journal = Self::at(session, Seq::default());
        let (mut questions, mut end, mut next) = (Vec::new(), None, Seq::new(1));
        for (event, at) in entries {
            if end.is_some() {
                return Err(ResumeError::Damaged { session, at: Seq::new(at) });
            }
            next = Seq::new(at + 1);
            journal
                .go_through(event, &mut questions, &mut end)
                .map_err(|Misplaced| ResumeError::Damaged { session, at: Seq::new(at) })?;
        }
        journal.past.outcomes = journal.undelivered.len();
        journal.past.ahead.clone_from(&journal.past.asked);
        journal.stands_at(next);
        Ok(Resumed { started, journal, questions, end })
    }

    fn go_through(
        &mut self,
        event: EntryEvent,
        questions: &mut Vec<Question>,
        end: &mut Option<End>,
    ) -> Result<(), Misplaced> {
        match event {
            EntryEvent::Started(_) => return Err(Misplaced),
            EntryEvent::Recorded { op, value } => {
                self.past.recorded.insert(op, value);
            }
            EntryEvent::Begun { op, until } => {
                self.past.begun.insert(op, until);
            }
            EntryEvent::Completed { op, outcome } => {
                self.past.begun.remove(&op);
                self.past.settled.insert(op.clone());
                self.past.told.completed(&op);
                self.undelivered.push_back((op, outcome));
            }
            EntryEvent::Asked { round, questions: asked } => {
                self.round =
                    RoundState { last: round, open: true, asked: Some(digest_of(&asked)), ..self.round };
                self.past.asked = asked.iter().map(|question| question.op.clone()).collect();
                self.past.told.clear();
                *questions = asked;
            }
            EntryEvent::Answered { round, digest } => {
                self.round = RoundState { open: false, answered: Some((round, digest)), ..self.round };
                self.past.asked.clear();
                questions.clear();
            }
            EntryEvent::Detached => self.detached = true,
            EntryEvent::Told { event, step } => {
                self.told += 1;
                self.past.told.add(event, step);
            }
            EntryEvent::Finished { end: ended, .. } => *end = Some(ended),
        }
        Ok(())
    }
}

/// An entry that cannot stand where it does.
struct Misplaced;
