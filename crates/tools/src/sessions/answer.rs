//! An answer: a later request of a session.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostler_journal::{Digest, End, Journal, Json, Outcome, Resumed, RoundState, SessionId, Started};
use tracing::Instrument;
use tracing::field::display;

use super::busy::Work;
use super::call::input_of;
use super::shelf::Found;
use super::{Call, Reply, Sessions, round};
use crate::Attempt;
use crate::callable::Callable;
use crate::core::{Beginning, Core};
use crate::drive::{Running, Turn};
use crate::error::{CallError, Failure};

/// Answers to the questions of a round.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Whose.
    pub session: SessionId,
    /// The round that asked.
    pub round: u32,
    /// The call that began the session, where the client repeats it; it has to be the same.
    pub call: Option<Call>,
    /// The answers, by key. Those to no open question are ignored; questions without an answer are asked again.
    pub answers: HashMap<String, Json>,
}

impl Answer {
    /// What is answered, by which a repeated request is known. The order of the keys does not count.
    pub(super) fn digest(&self) -> Digest {
        let mut answers: Vec<_> = self.answers.iter().collect();
        answers.sort_unstable_by_key(|(key, _)| *key);
        Digest::of(answers.into_iter().flat_map(|(key, answer)| [key.as_bytes(), answer.as_str().as_bytes()]))
    }
}

/// What an answer means to a session.
pub(super) enum Meaning {
    /// It answers the round that is open.
    New,
    /// It was given before, and the session has gone on with it: it may be at work, or have asked something else since.
    Repeated,
}

impl Sessions {
    /// Answers. The same answers, given again, lead to the same reply, be it at the same time, later, or after a restart.
    ///
    /// Dropped, what is at work is finished, and no more than that: the session waits for the same answers again.
    ///
    /// # Errors
    /// See [`CallError`]: the answers were not taken.
    pub async fn answer(&self, answer: Answer, attempt: Attempt) -> Result<Reply, CallError> {
        let tool = answer.call.as_ref().map_or("", |call| &call.name);
        let span = round::span(tool, &attempt);
        span.record("session", display(answer.session)).record("round", answer.round);
        self.next_round(answer, attempt).instrument(span).await
    }

    async fn next_round(&self, answer: Answer, attempt: Attempt) -> Result<Reply, CallError> {
        let digest = answer.digest();
        loop {
            match self.inner.shelf.take(answer.session) {
                Found::Busy(mut done, at_work_with) => {
                    if let Some((round, other)) = at_work_with
                        && round == answer.round
                        && other != digest
                    {
                        return Err(CallError::Settled { round });
                    }
                    // An error says that they are done.
                    let _ = done.changed().await;
                }
                Found::Parked(running, done) => {
                    let work = Work::on(self.clone(), answer.session, Some(running), done);
                    return self.answer_parked(work, answer, digest, attempt).await;
                }
                Found::Absent(done) => {
                    let work = Work::on(self.clone(), answer.session, None, done);
                    return self.answer_stored(work, answer, digest, attempt).await;
                }
            }
        }
    }

    async fn answer_parked(
        &self,
        mut work: Work,
        answer: Answer,
        digest: Digest,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        let core = Arc::clone(&work.running().core);
        let checked = {
            let whose = Arc::clone(&core.cell().attempt.principal);
            check_caller(&whose, core.callable.digest(&core.arguments), &answer, self, &attempt)
        };
        let round = core.journal(|journal| journal.round());
        let meaning = checked.and_then(|()| meaning(round, answer.round, digest));
        let meaning = match meaning {
            Ok(meaning) => meaning,
            Err(error) => {
                work.park();
                return Err(error);
            }
        };
        self.inner.counters.resumed_live.fetch_add(1, Ordering::Relaxed);
        round::follow(&core, "live");
        self.go_on(work, meaning, answer, digest, attempt).await
    }

    async fn answer_stored(
        &self,
        mut work: Work,
        answer: Answer,
        digest: Digest,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        let Resumed { started, journal, end, .. } = self.load(answer.session).await?;
        check_caller(&started.principal, started.digest, &answer, self, &attempt)?;
        let meaning = meaning(journal.round(), answer.round, digest)?;
        if let Some(end) = end {
            return Ok(reply_of(end));
        }
        let mut running = match self.resume(started, journal, attempt.clone())? {
            Ok(running) => running,
            Err(failure) => return Ok(Reply::Failed(failure)),
        };
        self.inner.counters.resumed_from_journal.fetch_add(1, Ordering::Relaxed);
        round::follow(&running.core, "journal");
        let waits = running.core.journal(|journal| journal.round().open);
        running.begin_turn();
        work.set(running);
        if waits {
            // Through the past, up to the questions that are open: those that are answered, or those that were asked in a reply
            // that was lost.
            let turn = work.running().advance().await;
            if let Turn::Finished(_) = turn {
                return Ok(finished(work, turn));
            }
        }
        self.go_on(work, meaning, answer, digest, attempt).await
    }

    async fn go_on(
        &self,
        mut work: Work,
        meaning: Meaning,
        answer: Answer,
        digest: Digest,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        let core = Arc::clone(&work.running().core);
        let open = core.journal(|journal| journal.round().open);
        let taken = match meaning {
            Meaning::New => take_answers(&core, &answer, digest),
            Meaning::Repeated => false,
        };
        core.rebind(attempt);
        if open && !taken {
            // Nothing that was asked is answered, or what was answered led to these questions.
            let input = input_of(work.running());
            work.park();
            return Ok(Reply::Input(input));
        }
        self.inner.shelf.answering(answer.session, (answer.round, digest));
        work.running().begin_turn();
        let turn = self.turn(work.running(), core.callable.tasks).await;
        if let Turn::Detached = turn {
            self.go_on_alone_at(work);
            return Ok(Reply::Task(answer.session));
        }
        Ok(finished(work, turn))
    }

    pub(super) async fn load(&self, session: SessionId) -> Result<Resumed, CallError> {
        let entries = self.inner.writer.storage.load(session).await?;
        if entries.is_empty() {
            return Err(CallError::UnknownSession(session));
        }
        Ok(Journal::resume(session, entries)?)
    }

    /// The code of a session of which the journal is all there is. An error within is one of the session, not of the request.
    pub(super) fn resume(
        &self,
        started: Started,
        journal: Journal,
        attempt: Attempt,
    ) -> Result<Result<Running, Failure>, CallError> {
        let Some(callable) = self.tools().version(&started.tool, started.version) else {
            let (tool, version) = (started.tool.to_string(), started.version);
            return Ok(Err(Failure::VersionGone { tool, version }));
        };
        self.start_code(self.resumed_core(callable, started, journal, attempt)).map(Ok)
    }

    /// A session whose code is not run, only ended.
    pub(super) fn without_code(&self, resumed: Resumed) -> Result<Running, CallError> {
        let Resumed { started, journal, .. } = resumed;
        let tools = self.tools();
        let callable =
            tools.version(&started.tool, started.version).or_else(|| tools.any_version(&started.tool));
        let callable =
            callable.ok_or_else(|| CallError::Unknown { what: "tool", name: started.tool.to_string() })?;
        let attempt = Attempt { principal: Arc::clone(&started.principal), ..Attempt::anonymous() };
        let core = self.resumed_core(callable, started, journal, attempt);
        Ok(Running::without_code(core, self.destination(), self.inner.config.keep_results))
    }

    fn resumed_core(
        &self,
        callable: Arc<Callable>,
        started: Started,
        journal: Journal,
        attempt: Attempt,
    ) -> Arc<Core> {
        let beginning = Beginning {
            session: Some(journal.session()),
            seed: started.seed,
            started: started.at,
            ttl: started.expires.since(started.at),
            expires: started.expires,
            origin: started.origin,
            max_events: self.inner.config.max_events,
            resume: self.inner.resume,
        };
        let (clock, effects) = (self.inner.clock, self.inner.effects.clone());
        let core = Core::new(callable, started.arguments, clock, effects, beginning, attempt);
        let watched = self.inner.watch.of(journal.session());
        Arc::new(core.resumed(journal, watched))
    }
}

/// Checks that it is the one who began the session who answers, by the call that began it.
pub(super) fn check_caller(
    whose: &Arc<str>,
    begun_by: Digest,
    answer: &Answer,
    sessions: &Sessions,
    attempt: &Attempt,
) -> Result<(), CallError> {
    if *whose != attempt.principal {
        return Err(CallError::UnknownSession(answer.session));
    }
    let Some(call) = &answer.call else { return Ok(()) };
    match sessions.find(call.clone()) {
        Ok((callable, call)) if callable.digest(&call.arguments) == begun_by => Ok(()),
        Ok(_) | Err(_) => Err(CallError::OtherCall),
    }
}

pub(super) fn meaning(session: RoundState, round: u32, digest: Digest) -> Result<Meaning, CallError> {
    match session.answered {
        Some((answered, known)) if answered == round => {
            if known == digest {
                Ok(Meaning::Repeated)
            } else {
                Err(CallError::Settled { round })
            }
        }
        answered => {
            // A round that no answer has closed, but another after it has opened: a sleep had ended in between.
            let later = round > answered.map_or(0, |(answered, _)| answered);
            if session.open && later && round <= session.last {
                Ok(Meaning::New)
            } else {
                Err(CallError::RoundOver { round, current: session.last })
            }
        }
    }
}

/// Completes the questions that are answered; false if none is.
pub(super) fn take_answers(core: &Core, answer: &Answer, digest: Digest) -> bool {
    take_outcomes(core, answer.round, digest, |key| answer.answers.get(key).cloned().map(Outcome::Value))
}

/// Completes the questions that `given` has an outcome for; false if there is none.
pub(super) fn take_outcomes(
    core: &Core,
    round: u32,
    digest: Digest,
    given: impl Fn(&str) -> Option<Outcome>,
) -> bool {
    core.journal(|journal| {
        let answered: Vec<_> = journal
            .questions()
            .filter_map(|(number, question)| Some((number, given(&question.key)?)))
            .collect();
        if answered.is_empty() {
            return false;
        }
        journal.answer_round(round, digest);
        for (number, outcome) in answered {
            journal.complete(number, outcome);
        }
        true
    })
}

fn finished(mut work: Work, turn: Turn) -> Reply {
    let input = match turn {
        Turn::Parked | Turn::WoundDown | Turn::Detached => Some(input_of(work.running())),
        Turn::Finished(_) => None,
    };
    match (work.finish(turn), input) {
        (Some(Ok(result)), _) => Reply::Done(result),
        (Some(Err(failure)), _) => Reply::Failed(failure),
        (None, Some(input)) => Reply::Input(input),
        (None, None) => unreachable!("a session that has not ended waits for something"),
    }
}

pub(super) fn reply_of(end: End) -> Reply {
    match end {
        End::Completed(result) => Reply::Done(result),
        End::Failed(failure) => {
            let unreadable = |error: serde_json::Error| Failure::Tool { message: error.to_string() };
            Reply::Failed(failure.read().unwrap_or_else(unreadable))
        }
        End::Cancelled => Reply::Failed(Failure::Cancelled),
        End::Expired => Reply::Failed(Failure::Expired),
    }
}
