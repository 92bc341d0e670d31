//! Sessions without a store: when one waits for its client, the client is given all there is of it, and brings it back.
//!
//! Nothing of such a session is left here: no parked tool, no entry in any list, no timer. It follows that it cannot be looked for by
//! its id, and that nobody can say whether the same answers come for the first time: each time they do, the session goes on from
//! there, once more and on its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostler_journal::{EntryEvent, Journal, Json, MemoryStorage, Question, Resumed};
use ostler_lease::Fence;
use ostler_scope::{Closed, Scope};
use tracing::Instrument;
use tracing::field::display;

use super::answer::{check_caller, meaning, take_answers};
use super::call::input_of;
use super::{Answer, Call, Followers, InputRequired, Reply, Sessions, SessionsConfig, round};
use crate::callable::Callable;
use crate::destination::Writer;
use crate::drive::{Running, Turn};
use crate::error::{CallError, Failure};
use crate::testing::Effects;
use crate::{Attempt, Tools};

/// What there is of a session when it has waited for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The parked tool, or its journal in the store.
    Journal,
    /// What the client brings back.
    Sealed,
}

/// Why no calls are taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A tool that can be called as a task alone, and there is no store.
    #[error("the tool `{tool}` is always a task, which needs a store, and there is none")]
    NeedsStore {
        /// Which.
        tool: String,
    },
    /// The scope is halting.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Tools {
    /// Whether all tools can do without a store, as far as that can be known before they are called.
    ///
    /// # Errors
    /// [`StartError::NeedsStore`] names the first that cannot: one whose calls have to be tasks.
    pub fn check_sealed(&self) -> Result<(), StartError> {
        match self.tasks_only().next() {
            Some(tool) => Err(StartError::NeedsStore { tool: tool.to_owned() }),
            None => Ok(()),
        }
    }
}

impl Sessions {
    /// Begins to take calls without a store, until `scope` halts. A round that closes gives the session's journal away
    /// ([`InputRequired::journal`]), for the client to carry; whoever has it goes on with the session, also where nobody has ever heard
    /// of it, as long as the tools are the same ([`answer_sealed`](Self::answer_sealed)).
    ///
    /// It cannot be enforced that a journal comes back once: one that comes twice leads to two sessions that go on from the same
    /// place. So there is no [`step_once`](crate::ToolContext::step_once), no [`sleep`](crate::ToolContext::sleep) and no task:
    /// a tool that uses these ends with [`Failure::NeedsStore`], and clients that know tasks are not given any. A
    /// [`step`](crate::ToolContext::step) may run once for each such session; its [`StepKey`](crate::StepKey) is the same each time.
    /// What looks for a session by its id finds none.
    ///
    /// # Errors
    /// [`StartError::NeedsStore`] if one of `tools` has to be a task; [`StartError::Closed`] if `scope` is halting already.
    pub fn start_sealed(scope: &Scope, tools: Tools, config: SessionsConfig) -> Result<Self, StartError> {
        tools.check_sealed()?;
        // Nothing is written to it: whoever looks for a session there finds none.
        let storage = Arc::new(MemoryStorage::new());
        let writer = Writer { storage, fence: Fence::LOCAL, followers: Followers::default() };
        let (sessions, _) = Self::open(scope, tools, writer, Resume::Sealed, config, Effects::default())?;
        Ok(sessions)
    }

    /// What there is of a session when it has waited for its client.
    #[must_use]
    pub fn resume_by(&self) -> Resume {
        self.inner.resume
    }

    pub(super) async fn first_sealed_round(
        &self,
        callable: Arc<Callable>,
        call: Call,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        if callable.tasks.is_required() {
            return Err(CallError::NeedsStore { name: call.name, what: "a task" });
        }
        let mut round = SealedRound(Some(self.begin(callable, call, attempt)?));
        let turn = round.running().advance().await;
        Ok(self.sealed_reply(round, turn))
    }

    /// Answers a session whose `journal` came with the answer. What was answered is not known here, so the same answers lead to the
    /// same questions by running the same code once more.
    ///
    /// The journal has to be what [`InputRequired::journal`] was: whoever takes it from a client makes sure of that.
    ///
    /// Dropped, the code and all it has begun ends. The journal is as good as before.
    ///
    /// # Errors
    /// See [`CallError`]: the answers were not taken.
    pub async fn answer_sealed(
        &self,
        answer: Answer,
        journal: Vec<EntryEvent>,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        let tool = answer.call.as_ref().map_or("", |call| &call.name);
        let span = round::span(tool, &attempt);
        span.record("session", display(answer.session)).record("round", answer.round);
        self.next_sealed_round(answer, journal, attempt).instrument(span).await
    }

    async fn next_sealed_round(
        &self,
        answer: Answer,
        carried: Vec<EntryEvent>,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        if self.inner.resume == Resume::Journal {
            return Err(CallError::UnknownSession(answer.session));
        }
        let Resumed { started, journal, .. } = Journal::resume(answer.session, carried.clone())?;
        check_caller(&started.principal, started.digest, &answer, self, &attempt)?;
        let digest = answer.digest();
        meaning(journal.round(), answer.round, digest)?;
        if started.expires <= self.inner.clock.now() {
            self.note_failure(&Failure::Expired);
            return Ok(Reply::Failed(Failure::Expired));
        }
        let mut running = match self.resume(started, journal, attempt.clone())? {
            Ok(running) => running,
            Err(failure) => return Ok(Reply::Failed(failure)),
        };
        running.carry(carried);
        self.inner.counters.resumed_sealed.fetch_add(1, Ordering::Relaxed);
        round::follow(&running.core, "sealed");
        let core = Arc::clone(&running.core);
        let mut round = SealedRound(Some(running));
        // Through the past, up to the questions that are answered.
        match round.running().advance().await {
            turn @ Turn::Finished(_) => return Ok(self.sealed_reply(round, turn)),
            Turn::Parked | Turn::WoundDown | Turn::Detached => {}
        }
        core.rebind(attempt);
        if !take_answers(&core, &answer, digest) {
            return Ok(Reply::Input(round.hand_over()));
        }
        round.running().begin_turn();
        let turn = round.running().advance().await;
        Ok(self.sealed_reply(round, turn))
    }

    fn sealed_reply(&self, mut round: SealedRound, turn: Turn) -> Reply {
        match turn {
            Turn::Finished(result) => {
                self.note_finished(&round.running().core, &result);
                result.map_or_else(Reply::Failed, Reply::Done)
            }
            // It neither winds down nor goes on without its request.
            Turn::Parked | Turn::WoundDown | Turn::Detached => {
                self.note_parked(&round.running().core);
                Reply::Input(round.hand_over())
            }
        }
    }
}

/// The code of a session, while a request is answered.
struct SealedRound(Option<Running>);

impl SealedRound {
    fn running(&mut self) -> &mut Running {
        self.0.as_mut().expect("it is there until it is handed over")
    }

    /// What the client is asked, and the session, of which nothing is left here.
    fn hand_over(mut self) -> InputRequired {
        let mut running = self.0.take().expect("it is handed over once");
        let journal = Some(needed(running.take_carried()));
        InputRequired { journal, ..input_of(&running) }
    }
}

impl Drop for SealedRound {
    fn drop(&mut self) {
        // For what the tool has started outside; what it awaits is dropped with it.
        if let Some(running) = self.0.take().filter(|running| !running.is_over()) {
            running.core.cancel();
        }
    }
}

/// What a replay needs of `entries`: not which rounds there were but the last, nor what was asked in it, since the code asks it again.
fn needed(entries: Vec<EntryEvent>) -> Vec<EntryEvent> {
    let last = entries.iter().rposition(|entry| matches!(entry, EntryEvent::Asked { .. }));
    let needed = |(place, entry)| match entry {
        EntryEvent::Asked { round, questions } => (Some(place) == last).then(|| EntryEvent::Asked {
            round,
            questions: questions.into_iter().map(without_request).collect(),
        }),
        EntryEvent::Answered { .. } => None,
        kept @ (EntryEvent::Started(_)
        | EntryEvent::Recorded { .. }
        | EntryEvent::Begun { .. }
        | EntryEvent::Completed { .. }
        | EntryEvent::Detached
        | EntryEvent::Told { .. }
        | EntryEvent::Finished { .. }) => Some(kept),
    };
    entries.into_iter().enumerate().filter_map(needed).collect()
}

fn without_request(question: Question) -> Question {
    Question { request: Json::of(&()).expect("null is JSON"), ..question }
}
