//! What the client of a session is told that is no question: each thing once, whatever runs again.

use crate::journal::Journal;
use crate::{EntryEvent, Json, Op, OpNumber, Seq};

/// What becomes of something that a client is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It is noted. The client may be told once everything before the place is durable.
    Noted(Seq),
    /// It was told by the same code before the process ended.
    Again,
    /// The client has been told as much as it may be.
    TooMuch,
}

/// What a journal that was resumed has of code that runs again once the past is over. Everything else that was told is told
/// again by code that runs while the journal is replayed, if at all, and is known by that.
#[derive(Debug, Default)]
pub(crate) struct ToldBefore {
    told: Vec<(Option<Op>, Json)>,
}

impl ToldBefore {
    pub(crate) fn add(&mut self, event: Json, step: Option<Op>) {
        self.told.push((step, event));
    }

    /// `op` has an outcome. Its own code does not run again, and what the tool had told up to there is told in the replay: what is
    /// left are the steps that were at work beside it.
    pub(crate) fn completed(&mut self, op: &Op) {
        self.told.retain(|(step, _)| step.as_ref().is_some_and(|step| step != op));
    }

    pub(crate) fn clear(&mut self) {
        self.told = Vec::new();
    }

    /// Whether `event` is there, and takes it if it is.
    fn take(&mut self, event: &Json, step: Option<&Op>) -> bool {
        let place = self.told.iter().position(|(by, told)| by.as_ref() == step && told == event);
        place.map(|place| self.told.remove(place)).is_some()
    }
}

impl Journal {
    /// Notes that the client is told `event`, by the code of `step` if it is some step's, unless it was told before or has been told
    /// `most` things.
    pub fn tell(&mut self, event: Json, step: Option<OpNumber>, most: usize) -> Telling {
        let step = step.map(|number| self.op(number).clone());
        if self.past.told.take(&event, step.as_ref()) || self.is_replaying() {
            return Telling::Again;
        }
        if self.told >= most {
            return Telling::TooMuch;
        }
        self.told += 1;
        self.note(EntryEvent::Told { event, step });
        Telling::Noted(self.next())
    }
}
