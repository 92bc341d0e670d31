//! The order of one session: what is awaited, what has come of it, what is not stored yet.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use slab::Slab;

use crate::told::ToldBefore;
use crate::{
    Digest, End, Entry, EntryEvent, Json, Op, OpKind, Outcome, Question, Seq, SessionId, Started, Timestamp,
};

/// The journal of one session and what its tool awaits.
#[derive(Debug)]
pub struct Journal {
    session: SessionId,
    /// The place of the next entry.
    next: Seq,
    /// Entries that no store has been given yet.
    unsaved: Vec<Entry>,
    /// Everything before this place has been confirmed by the store.
    durable: Seq,
    /// Everything a step's effect may depend on stands before this place.
    significant: Seq,
    /// What the tool awaits.
    waiting: Slab<Waiting>,
    /// Where in there each operation is.
    places: HashMap<Op, usize>,
    /// How many operations have been registered.
    order: u64,
    /// How many operations there have been of each branch, kind and name.
    registered: HashMap<(Arc<str>, Class, Arc<str>), u32>,
    /// Outcomes that the tool has not been given yet, in their order.
    pub(crate) undelivered: VecDeque<(Op, Outcome)>,
    pub(crate) past: Past,
    pub(crate) round: RoundState,
    pub(crate) detached: bool,
    /// How many things its client has been told.
    pub(crate) told: usize,
}

/// What a journal that was resumed has yet to go through again.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// How many of the undelivered outcomes are from the past.
    pub(crate) outcomes: usize,
    /// Whose they are.
    pub(crate) settled: HashSet<Op>,
    /// Operations that had begun and have no outcome.
    pub(crate) begun: HashMap<Op, Option<Timestamp>>,
    /// Questions that the open round asks.
    pub(crate) asked: HashSet<Op>,
    /// Those of them that the code has not come to yet.
    pub(crate) ahead: HashSet<Op>,
    /// Values that were taken.
    pub(crate) recorded: HashMap<Op, Json>,
    /// What was told by code that runs again once the past is over.
    pub(crate) told: ToldBefore,
}

/// Where the session and its client are in their exchange of questions and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoundState {
    /// The last round that closed; 0 if none has.
    pub last: u32,
    /// Whether its questions wait for answers.
    pub open: bool,
    /// Of the keys of the questions that the open round asks.
    pub asked: Option<Digest>,
    /// The last round that was answered, and the digest of the answers.
    pub answered: Option<(u32, Digest)>,
}

/// Kinds that share their names. A client tells questions apart by name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Input,
    Kind(OpKind),
}

impl Class {
    const fn of(kind: OpKind) -> Self {
        if kind.is_input() { Self::Input } else { Self::Kind(kind) }
    }
}

/// An operation that has no outcome yet, or whose outcome has not been taken yet.
#[derive(Debug)]
struct Waiting {
    op: Op,
    /// How many operations had been registered before it. Places in the slab are used again, so they tell nothing.
    order: u64,
    /// What is asked.
    request: Option<Json>,
    /// When a sleep ends.
    until: Option<Timestamp>,
    outcome: Option<Outcome>,
}

/// An operation that a tool awaits. It is not the same one in a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpNumber(usize);

impl OpNumber {
    /// The number, which is small and used again: an index into what belongs to operations.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Whether an operation may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Fresh,
    /// Its outcome is in the journal and comes when it is its turn. It must not start.
    Settled,
    /// It has no outcome in the journal, but others have that are to be delivered first.
    Held,
    /// It had begun before the process ended, and has no outcome. For a step that runs once, nobody knows what came of it.
    Begun {
        /// When a sleep ends.
        until: Option<Timestamp>,
    },
}

/// A name that an operation cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name an operation: 1 to 64 characters without `/`, `#` and control characters")]
pub struct InvalidName(pub Arc<str>);

/// The code does not do what the journal says it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Divergence {
    /// The journal's next outcome is of an operation that the code has not come to.
    #[error("the journal goes on with {expected}, but the tool {}", waits(.found))]
    Expected {
        /// What should have been awaited.
        expected: Op,
        /// What is.
        found: Vec<Op>,
    },
    /// The code ended where the journal goes on.
    #[error("the journal goes on with {expected}, but the tool has ended")]
    Ended {
        /// What should have been awaited.
        expected: Op,
    },
}

fn waits(found: &[Op]) -> String {
    if found.is_empty() {
        return "waits for nothing of its context's".into();
    }
    let found: Vec<_> = found.iter().map(Op::to_string).collect();
    format!("waits for {}", found.join(", "))
}

impl Journal {
    /// The journal of a session that begins.
    #[must_use]
    pub fn begin(session: SessionId, started: Started) -> Self {
        let mut journal = Self::at(session, Seq::default());
        journal.note(EntryEvent::Started(Box::new(started)));
        journal.significant = Seq::default();
        journal
    }

    /// A journal of which everything before `next` is stored.
    pub(crate) fn at(session: SessionId, next: Seq) -> Self {
        Self {
            session,
            next,
            unsaved: Vec::new(),
            durable: next,
            significant: next,
            waiting: Slab::new(),
            places: HashMap::new(),
            order: 0,
            registered: HashMap::new(),
            undelivered: VecDeque::new(),
            past: Past::default(),
            round: RoundState::default(),
            detached: false,
            told: 0,
        }
    }

    /// Everything before `next` is stored.
    pub(crate) const fn stands_at(&mut self, next: Seq) {
        (self.next, self.durable, self.significant) = (next, next, next);
    }

    /// Whose it is.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// How much memory it holds, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let unsaved = self.unsaved.capacity() * size_of::<Entry>();
        let waiting = self.waiting.capacity() * size_of::<Waiting>();
        let requests: usize = self
            .waiting
            .iter()
            .filter_map(|(_, waiting)| waiting.request.as_ref())
            .map(|json| json.as_str().len())
            .sum();
        let registered =
            self.registered.capacity() * (size_of::<(Arc<str>, Class, Arc<str>)>() + size_of::<u64>());
        let places = self.places.capacity() * size_of::<(Op, usize)>();
        size_of::<Self>() + unsaved + waiting + places + requests + registered
    }

    /// Gives back memory that it has no use for at present.
    pub fn shrink(&mut self) {
        self.unsaved.shrink_to_fit();
        self.waiting.shrink_to_fit();
        self.places.shrink_to_fit();
        self.undelivered.shrink_to_fit();
        self.registered.shrink_to_fit();
        self.past.settled.shrink_to_fit();
        self.past.begun.shrink_to_fit();
        self.past.recorded.shrink_to_fit();
    }

    /// Whether the code has yet to come where it was: to the last outcome, and to all questions that are open.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.past.outcomes > 0 || !self.past.ahead.is_empty()
    }

    /// Notes that the code of branch `path` has come to an operation.
    ///
    /// # Errors
    /// [`InvalidName`]
    pub fn register(
        &mut self,
        path: &Arc<str>,
        kind: OpKind,
        name: Arc<str>,
    ) -> Result<OpNumber, InvalidName> {
        let op = self.count(path, kind, name)?;
        self.past.ahead.remove(&op);
        let until = self.past.begun.get(&op).copied().flatten();
        self.order += 1;
        let waiting = Waiting { op: op.clone(), order: self.order, request: None, until, outcome: None };
        let place = self.waiting.insert(waiting);
        self.places.insert(op, place);
        Ok(OpNumber(place))
    }

    fn count(&mut self, path: &Arc<str>, kind: OpKind, name: Arc<str>) -> Result<Op, InvalidName> {
        check_name(&name)?;
        let key = (Arc::clone(path), Class::of(kind), Arc::clone(&name));
        let count = self.registered.entry(key).or_default();
        let nth = *count;
        *count += 1;
        Ok(Op { path: Arc::clone(path), kind, name, nth })
    }

    /// Whether `number` may start.
    #[must_use]
    pub fn standing(&self, number: OpNumber) -> Standing {
        let op = &self.waiting[number.0].op;
        if self.past.settled.contains(op) {
            Standing::Settled
        } else if self.is_replaying() {
            Standing::Held
        } else if let Some(until) = self.past.begun.get(op) {
            Standing::Begun { until: *until }
        } else {
            Standing::Fresh
        }
    }

    /// Which operation that is.
    #[must_use]
    pub fn op(&self, number: OpNumber) -> &Op {
        &self.waiting[number.0].op
    }

    /// Whether `number` was asked before the process ended, and still is.
    #[must_use]
    pub fn was_asked(&self, number: OpNumber) -> bool {
        self.past.asked.contains(&self.waiting[number.0].op)
    }

    /// Notes what `number` asks of a client.
    pub fn ask(&mut self, number: OpNumber, request: Json) {
        self.waiting[number.0].request = Some(request);
    }

    /// Notes that `number` begins: a step that must not run twice, or a sleep and when it ends.
    pub fn begin_op(&mut self, number: OpNumber, until: Option<Timestamp>) {
        let waiting = &mut self.waiting[number.0];
        waiting.until = until;
        let op = waiting.op.clone();
        self.note(EntryEvent::Begun { op, until });
    }

    /// Notes what came of `number`. It is delivered when it is its turn.
    pub fn complete(&mut self, number: OpNumber, outcome: Outcome) {
        let waiting = &mut self.waiting[number.0];
        waiting.until = None;
        let op = waiting.op.clone();
        self.undelivered.push_back((op.clone(), outcome.clone()));
        self.note(EntryEvent::Completed { op, outcome });
    }

    /// A value that is not the same twice: what the journal has of it, or else what `take` gives.
    ///
    /// # Errors
    /// [`InvalidName`]
    pub fn record(
        &mut self,
        path: &Arc<str>,
        name: Arc<str>,
        take: impl FnOnce(&Op) -> Json,
    ) -> Result<Json, InvalidName> {
        let op = self.count(path, OpKind::Value, name)?;
        if let Some(value) = self.past.recorded.remove(&op) {
            return Ok(value);
        }
        let value = take(&op);
        self.note(EntryEvent::Recorded { op, value: value.clone() });
        Ok(value)
    }

    /// The number that the next value of `name` in `path` has, without recording it: for values that follow from the seed.
    ///
    /// # Errors
    /// [`InvalidName`]
    pub fn derive(&mut self, path: &Arc<str>, name: Arc<str>) -> Result<Op, InvalidName> {
        self.count(path, OpKind::Value, name)
    }

    /// Gives the tool the next outcome, and says whose it is; None if there is none. To be called only when the tool, polled,
    /// has nothing more to do: each outcome is followed up to the end before the next one comes.
    ///
    /// # Errors
    /// [`Divergence`] if the next outcome of the past, or a question that is open, is of an operation that the tool has not come to.
    pub fn deliver(&mut self) -> Result<Option<OpNumber>, Divergence> {
        while let Some((op, _)) = self.undelivered.front() {
            let found = self.places.get(op).copied();
            if found.is_none() && !self.was_registered(op) {
                let found = self.waiting.iter().map(|(_, waiting)| waiting.op.clone()).collect();
                return Err(Divergence::Expected { expected: op.clone(), found });
            }
            let Some((op, outcome)) = self.undelivered.pop_front() else { break };
            if self.past.outcomes > 0 {
                self.past.outcomes -= 1;
                self.past.settled.remove(&op);
            }
            // Nobody waits for it any more where the tool has dropped the operation, as the losers of a race are.
            if let Some(index) = found {
                self.waiting[index].outcome = Some(outcome);
                return Ok(Some(OpNumber(index)));
            }
        }
        match self.past.ahead.iter().next() {
            Some(expected) => {
                let found = self.waiting.iter().map(|(_, waiting)| waiting.op.clone()).collect();
                Err(Divergence::Expected { expected: expected.clone(), found })
            }
            None => Ok(None),
        }
    }

    /// Whether there are outcomes to deliver.
    #[must_use]
    pub fn has_undelivered(&self) -> bool {
        !self.undelivered.is_empty()
    }

    fn was_registered(&self, op: &Op) -> bool {
        let key = (Arc::clone(&op.path), Class::of(op.kind), Arc::clone(&op.name));
        self.registered.get(&key).is_some_and(|count| *count > op.nth)
    }

    /// What came of `number`, once it has been delivered. The operation is over with that.
    pub fn take(&mut self, number: OpNumber) -> Option<Outcome> {
        let outcome = self.waiting.get_mut(number.0)?.outcome.take()?;
        self.forget(number);
        Some(outcome)
    }

    /// Nobody waits for `number` any more.
    pub fn forget(&mut self, number: OpNumber) {
        if let Some(waiting) = self.waiting.try_remove(number.0) {
            self.places.remove(&waiting.op);
        }
        if self.waiting.is_empty() {
            // Places that are vacant are looked at too.
            self.waiting.clear();
        }
    }

    /// Checks, when the code has ended, that the journal ends there too.
    ///
    /// # Errors
    /// [`Divergence`]
    pub fn check_ended(&self) -> Result<(), Divergence> {
        let unreached = self
            .undelivered
            .iter()
            .take(self.past.outcomes)
            .map(|(op, _)| op)
            .find(|op| !self.was_registered(op));
        match unreached.or_else(|| self.past.ahead.iter().next()) {
            Some(op) => Err(Divergence::Ended { expected: op.clone() }),
            None => Ok(()),
        }
    }
}

/// Questions and answers.
impl Journal {
    /// The questions that are open, in the order in which the code came to them.
    pub fn questions(&self) -> impl Iterator<Item = (OpNumber, Question)> {
        let mut open: Vec<_> = self.waiting.iter().filter(|(_, waiting)| self.is_open(waiting)).collect();
        open.sort_by_key(|(_, waiting)| waiting.order);
        open.into_iter().filter_map(|(index, waiting)| {
            let request = waiting.request.clone()?;
            let op = waiting.op.clone();
            Some((OpNumber(index), Question { key: op.key(), op, request }))
        })
    }

    /// Whether any question is open.
    #[must_use]
    pub fn has_questions(&self) -> bool {
        self.waiting.iter().any(|(_, waiting)| self.is_open(waiting))
    }

    fn is_open(&self, waiting: &Waiting) -> bool {
        waiting.request.is_some()
            && waiting.outcome.is_none()
            && !self.undelivered.iter().any(|(op, _)| *op == waiting.op)
    }

    /// Where the exchange of questions and answers is.
    #[must_use]
    pub const fn round(&self) -> RoundState {
        self.round
    }

    /// Whether the questions that are open are those that the open round asks, so that there is nothing new to tell.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let questions: Vec<_> = self.questions().map(|(_, question)| question).collect();
        self.round.open && self.round.asked == Some(digest_of(&questions))
    }

    /// Closes a round: its questions are what is open now. Gives its number.
    pub fn close_round(&mut self) -> u32 {
        let questions: Vec<_> = self.questions().map(|(_, question)| question).collect();
        self.round.last += 1;
        self.round.open = true;
        self.round.asked = Some(digest_of(&questions));
        // A tool that waits for answers alone has told again whatever it tells again.
        self.past.told.clear();
        let round = self.round.last;
        self.note(EntryEvent::Asked { round, questions });
        round
    }

    /// Notes that answers to `round` are taken. What they complete is noted next.
    pub fn answer_round(&mut self, round: u32, digest: Digest) {
        self.round.open = false;
        self.round.answered = Some((round, digest));
        self.note(EntryEvent::Answered { round, digest });
    }
}

/// Sleeps.
impl Journal {
    /// When the first of the sleeps ends that are awaited.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.waiting.iter().filter_map(|(_, waiting)| waiting.until).min()
    }

    /// Completes the sleeps that have ended by `now`, the earliest first.
    pub fn wake(&mut self, now: Timestamp) {
        let over =
            |(index, waiting): (usize, &Waiting)| Some((waiting.until.filter(|until| *until <= now)?, index));
        let mut over: Vec<_> = self.waiting.iter().filter_map(over).collect();
        over.sort_unstable();
        for (_, index) in over {
            // In a replay its outcome may be on its way already.
            if !self.past.settled.contains(&self.waiting[index].op) {
                self.complete(OpNumber(index), Outcome::Value(Json::of(&()).expect("null is JSON")));
            }
        }
    }
}

/// What the store has to be given.
impl Journal {
    pub(crate) fn note(&mut self, event: EntryEvent) {
        let at = Timestamp::from_millis(0);
        self.unsaved.push(Entry { session: self.session, seq: self.next, at, wake: None, event });
        self.next = self.next.after(1);
        self.significant = self.next;
    }

    /// Notes that the session goes on without a request.
    pub fn detach(&mut self) {
        if !self.detached {
            self.detached = true;
            self.note(EntryEvent::Detached);
        }
    }

    /// Whether the session goes on without a request.
    #[must_use]
    pub const fn is_detached(&self) -> bool {
        self.detached
    }

    /// Notes how the session ended, which is kept until `keep`. Nothing comes after it.
    pub fn finish(&mut self, end: End, keep: Timestamp) {
        self.note(EntryEvent::Finished { end, keep });
    }

    /// Whether there is anything that no store has been given yet.
    #[must_use]
    pub const fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Takes what the store has to be given next, at `now`.
    pub fn take_unsaved(&mut self, now: Timestamp) -> Vec<Entry> {
        let mut unsaved = std::mem::take(&mut self.unsaved);
        let wake = self.next_wake();
        for entry in &mut unsaved {
            (entry.at, entry.wake) = (now, wake);
        }
        unsaved
    }

    /// Notes that the store has confirmed everything before `place`.
    pub fn saved(&mut self, place: Seq) {
        self.durable = self.durable.max(place);
    }

    /// The place of the next entry.
    #[must_use]
    pub const fn next(&self) -> Seq {
        self.next
    }

    /// What must be durable before a step may begin, since its effect may depend on it: everything but the session's beginning,
    /// which a client that has no handle yet cannot come back to.
    #[must_use]
    pub const fn significant(&self) -> Seq {
        self.significant
    }

    /// Whether everything before `place` is durable.
    #[must_use]
    pub fn is_durable(&self, place: Seq) -> bool {
        self.durable >= place
    }

    /// Whether the store has anything of the session.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.durable > Seq::default()
    }
}

/// Of the keys of `questions`.
pub(crate) fn digest_of(questions: &[Question]) -> Digest {
    Digest::of(questions.iter().map(|question| question.key.as_bytes()))
}

fn check_name(name: &Arc<str>) -> Result<(), InvalidName> {
    let fits = |character: char| !matches!(character, '/' | '#') && !character.is_control();
    if name.is_empty() || name.chars().count() > 64 || !name.chars().all(fits) {
        return Err(InvalidName(Arc::clone(name)));
    }
    Ok(())
}
