//! What a client is told of a session, read from its journal.

use std::collections::HashSet;

use crate::{End, EntryEvent, Json, Op, Question};

/// Something that a client is told of a session.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalEvent {
    /// It is asked something that it was not asked before.
    Asked(Question),
    /// It is told something, in the terms of `tools`.
    Told(Json),
    /// The session has ended.
    Finished(End),
}

/// Gives what a client is told its numbers, entry by entry. The first has the number 1, the next one 2: an event has the same number
/// whenever and by whomever the journal is read, also once it has been shortened.
#[derive(Debug, Clone, Default)]
pub struct EventNumbers {
    last: u64,
    /// The questions that were open when a round was last asked.
    open: HashSet<Op>,
}

impl EventNumbers {
    /// What the client is told by the next entry.
    pub fn of(&mut self, entry: EntryEvent) -> Vec<(u64, JournalEvent)> {
        let events = match entry {
            EntryEvent::Asked { questions, .. } => {
                let open = questions.iter().map(|question| question.op.clone()).collect();
                // One that is still open is asked again with the others, and was told before.
                let before = std::mem::replace(&mut self.open, open);
                let new = questions.into_iter().filter(|question| !before.contains(&question.op));
                new.map(JournalEvent::Asked).collect()
            }
            EntryEvent::Told { event, step: _ } => vec![JournalEvent::Told(event)],
            EntryEvent::Finished { end, .. } => vec![JournalEvent::Finished(end)],
            EntryEvent::Started(_)
            | EntryEvent::Recorded { .. }
            | EntryEvent::Begun { .. }
            | EntryEvent::Completed { .. }
            | EntryEvent::Answered { .. }
            | EntryEvent::Detached => Vec::new(),
        };
        let number = |event| {
            self.last += 1;
            (self.last, event)
        };
        events.into_iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, OpKind, Timestamp};

    fn question(name: &str) -> Question {
        let op = Op { path: "".into(), kind: OpKind::Elicit, name: name.into(), nth: 0 };
        Question { key: op.key(), op, request: Json::of(&"which?").unwrap() }
    }

    #[test]
    fn a_question_is_told_once_however_often_its_round_is_asked() {
        let asked = |round, names: &[&str]| EntryEvent::Asked {
            round,
            questions: names.iter().map(|name| question(name)).collect(),
        };
        let told = Json::of(&"half").unwrap();
        let end = End::Completed(Json::of(&1).unwrap());
        let entries = vec![
            asked(1, &["pick", "seat"]),
            EntryEvent::Told { event: told.clone(), step: None },
            EntryEvent::Answered { round: 1, digest: Digest::of([b"a".as_slice()]) },
            asked(2, &["seat", "tip"]),
            EntryEvent::Detached,
            EntryEvent::Finished { end: end.clone(), keep: Timestamp::from_millis(0) },
        ];
        let mut numbers = EventNumbers::default();
        let events: Vec<_> = entries.into_iter().flat_map(|entry| numbers.of(entry)).collect();
        let expected = [
            JournalEvent::Asked(question("pick")),
            JournalEvent::Asked(question("seat")),
            JournalEvent::Told(told),
            JournalEvent::Asked(question("tip")),
            JournalEvent::Finished(end),
        ];
        assert_eq!(events, (1..).zip(expected).collect::<Vec<_>>());
    }
}
