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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, OpKind, Outcome, SCHEMA_VERSION, SessionId, Started, Timestamp};

    fn started() -> Started {
        Started {
            schema: SCHEMA_VERSION,
            tool: "report".into(),
            version: 1,
            arguments: json("none"),
            digest: Digest::of([b"report".as_slice()]),
            principal: "ada".into(),
            client: json("none"),
            seed: 7,
            at: Timestamp::from_millis(0),
            expires: Timestamp::from_millis(60_000),
            origin: None,
        }
    }

    fn json(text: &str) -> Json {
        Json::of(&text).unwrap()
    }

    fn step(journal: &mut Journal, name: &str) -> OpNumber {
        journal.register(&"".into(), OpKind::Step, name.into()).unwrap()
    }

    #[test]
    fn a_step_that_runs_again_tells_what_it_had_not_told_whatever_has_ended_beside_it() {
        let mut live = Journal::begin(SessionId::unique(), started());
        let (long, short) = (step(&mut live, "long"), step(&mut live, "short"));
        live.tell(json("half"), Some(long), 9);
        live.tell(json("short"), Some(short), 9);
        live.complete(short, Outcome::Value(json("done")));
        live.deliver().unwrap();
        live.tell(json("on"), None, 9);
        let stored = live.take_unsaved(Timestamp::from_millis(5)).into_iter().map(|entry| entry.event);

        let mut again = Journal::resume(live.session(), stored.collect()).unwrap().journal;
        let (long, _short) = (step(&mut again, "long"), step(&mut again, "short"));
        again.deliver().unwrap();
        assert_eq!(again.tell(json("on"), None, 9), Telling::Again);
        assert_eq!(again.tell(json("half"), Some(long), 9), Telling::Again);
        // Once more, by somebody else, by the step that had ended.
        for (event, by) in [("half", Some(long)), ("half", None), ("short", None)] {
            assert!(matches!(again.tell(json(event), by, 9), Telling::Noted(_)), "{event}");
        }
        assert_eq!(again.tell(json("late"), None, 6), Telling::TooMuch);
    }

    #[test]
    fn what_was_told_before_a_round_closed_is_not_waited_for() {
        let mut live = Journal::begin(SessionId::unique(), started());
        live.tell(json("asking"), None, 9);
        let ask = live.register(&"".into(), OpKind::Elicit, "name".into()).unwrap();
        live.ask(ask, json("who?"));
        live.close_round();
        let stored = live.take_unsaved(Timestamp::from_millis(5)).into_iter().map(|entry| entry.event);
        let mut again = Journal::resume(live.session(), stored.collect()).unwrap().journal;
        // Another time of day, for example: the tool was there, and has told something.
        assert_eq!(again.tell(json("asking, later"), None, 9), Telling::Again);
        again.register(&"".into(), OpKind::Elicit, "name".into()).unwrap();
        assert!(matches!(again.tell(json("asking"), None, 9), Telling::Noted(_)), "it is behind them");
    }
}
