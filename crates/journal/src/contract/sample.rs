//! Entries to test with.

use ostler_lease::Fence;

use crate::{
    ClientId, Digest, End, Entry, EntryEvent, Json, Op, OpKind, Origin, Outcome, Question, SCHEMA_VERSION,
    Seq, SessionId, SessionSummary, Started, Timestamp,
};

/// A session that a test writes.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub principal: String,
    /// The client that it is called by, if that is to be found again.
    pub client: Option<ClientId>,
    /// What is shown with every entry.
    pub fence: Fence,
    /// The place of its next entry.
    pub next: Seq,
    /// When it expires.
    pub expires: Timestamp,
}

impl Writer {
    /// A session of `principal` that has not begun.
    #[must_use]
    pub fn of(principal: &str) -> Self {
        Self {
            session: SessionId::unique(),
            principal: principal.to_owned(),
            client: None,
            fence: Fence::LOCAL,
            next: Seq::default(),
            expires: Timestamp::from_millis(1_000_000),
        }
    }

    /// The next entry.
    pub fn entry(&mut self, event: EntryEvent) -> (Fence, Entry) {
        let at = at_place(self.next);
        let entry = Entry { session: self.session, seq: self.next, at, wake: None, event };
        self.next = self.next.after(1);
        (self.fence, entry)
    }

    /// The next entry, behind which the session sleeps until `wake`.
    pub fn sleeping(&mut self, wake: i64) -> (Fence, Entry) {
        let until = Timestamp::from_millis(wake);
        let op = op(OpKind::Sleep, "nap");
        let (fence, entry) = self.entry(EntryEvent::Begun { op, until: Some(until) });
        (fence, Entry { wake: Some(until), ..entry })
    }

    /// The session's beginning.
    pub fn begin(&mut self) -> (Fence, Entry) {
        let started = Started {
            schema: SCHEMA_VERSION,
            tool: "book".into(),
            version: 3,
            arguments: Json::of(&["Rome", "Oslo"]).unwrap(),
            digest: Digest::of([b"book".as_slice()]),
            principal: self.principal.as_str().into(),
            client: Json::of(&()).unwrap(),
            seed: u64::MAX,
            at: Timestamp::from_millis(7),
            expires: self.expires,
            origin: self.client.map(|client| Origin { client, request: Json::of(&1).unwrap() }),
        };
        self.entry(EntryEvent::Started(Box::new(started)))
    }

    /// A step's outcome.
    pub fn step(&mut self, name: &str) -> (Fence, Entry) {
        let outcome = Outcome::Value(Json::of(&name).unwrap());
        self.entry(EntryEvent::Completed { op: op(OpKind::Step, name), outcome })
    }

    /// From now on it goes on without a request.
    pub fn detach(&mut self) -> (Fence, Entry) {
        self.entry(EntryEvent::Detached)
    }

    /// A round that closes with one question.
    pub fn ask(&mut self, round: u32) -> (Fence, Entry) {
        self.entry(EntryEvent::Asked { round, questions: vec![question("seat")] })
    }

    /// The answers to a round.
    pub fn answer(&mut self, round: u32) -> (Fence, Entry) {
        self.entry(EntryEvent::Answered { round, digest: Digest::of([b"12A".as_slice()]) })
    }

    /// The session's end.
    pub fn finish(&mut self) -> (Fence, Entry) {
        let end = End::Completed(Json::of(&"done").unwrap());
        let keep = self.expires;
        self.entry(EntryEvent::Finished { end, keep })
    }
}

/// When the entry at that place is written: no two of a session at the same moment.
#[must_use]
pub fn at_place(place: Seq) -> Timestamp {
    Timestamp::from_millis(7 + i64::from(place.number()))
}

/// An operation outside of any branch.
#[must_use]
pub fn op(kind: OpKind, name: &str) -> Op {
    Op { path: "".into(), kind, name: name.into(), nth: 0 }
}

/// A question of that name.
#[must_use]
pub fn question(name: &str) -> Question {
    let op = op(OpKind::Elicit, name);
    Question { key: op.key(), op, request: Json::of(&"which?").unwrap() }
}

/// What a storage must know of the session that consists of `entries`.
#[must_use]
pub fn folded<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Option<SessionSummary> {
    let mut entries = entries.into_iter();
    let mut summary = SessionSummary::begin(entries.next()?)?;
    entries.for_each(|entry| summary.apply(entry));
    Some(summary)
}
