//! Sessions that go on without a request: tasks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ostler_journal::{
    Digest, Json, ListQuery, Outcome, SessionId, SessionState, SessionSummary, StorageError,
};
use tracing::Instrument;
use tracing::field::display;

use super::answer::{reply_of, take_outcomes};
use super::busy::Work;
use super::shelf::{Found, Seen};
use super::{Change, Reply, Sessions, round};
use crate::Attempt;
use crate::core::Core;
use crate::drive::{Running, Turn};
use crate::error::{CallError, Failure};

/// How long an update may wait for what it leads to, so that whoever looks next sees it.
const SETTLING: Duration = Duration::from_millis(250);

/// As many sessions are looked at in the store at a time.
const BATCH: usize = 1000;

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// What it is doing, and what it waits for.
    pub summary: SessionSummary,
    /// How it ended, if it has.
    pub end: Option<Reply>,
}

/// What became of questions, by key.
pub(super) struct Update {
    outcomes: HashMap<String, Outcome>,
}

impl Update {
    pub(super) fn answered(answers: HashMap<String, Json>) -> Self {
        Self { outcomes: answers.into_iter().map(|(key, answer)| (key, Outcome::Value(answer))).collect() }
    }

    pub(super) fn refused(key: &str, reason: String) -> Self {
        Self { outcomes: HashMap::from([(key.to_owned(), Outcome::Refused(reason))]) }
    }

    /// By which a repeated update is known. The order of the keys does not count.
    fn digest(&self) -> Digest {
        let mut parts: Vec<_> = self.outcomes.iter().map(|(key, outcome)| (key, Json::of(outcome))).collect();
        parts.sort_unstable_by_key(|(key, _)| *key);
        let parts = parts.iter().filter_map(|(key, outcome)| Some((key, outcome.as_ref().ok()?)));
        Digest::of(parts.flat_map(|(key, outcome)| [key.as_bytes(), outcome.as_str().as_bytes()]))
    }
}

impl Sessions {
    /// Lets a session go on in the background.
    pub(super) fn go_on_alone(&self, session: SessionId, running: Box<Running>) {
        let done = self.inner.shelf.enter(session, &running.core);
        self.go_on_alone_at(Work::on(self.clone(), session, Some(running), done));
    }

    pub(super) fn go_on_alone_at(&self, mut work: Work) {
        let core = Arc::clone(&work.running().core);
        let attempt = core.cell().attempt.clone();
        let span = round::span(&core.callable.name, &attempt);
        span.record("session", display(work.session));
        core.rebind(Attempt { events: None, ..attempt });
        let going_on = async move {
            let turn = loop {
                match work.running().advance().await {
                    Turn::Detached => {}
                    turn @ (Turn::Finished(_) | Turn::Parked | Turn::WoundDown) => break turn,
                }
            };
            let (sessions, session) = (work.sessions(), work.session);
            work.finish(turn);
            sessions.announce(Change::Session(session));
            Ok::<_, Infallible>(())
        };
        // Refused while the host ends; the next start finds the session in its journal.
        let _ = self.spawn("task", going_on.instrument(span));
    }

    /// A session of `principal`'s.
    ///
    /// # Errors
    /// [`CallError::UnknownSession`] if there is none, or it is somebody else's; [`CallError::Storage`].
    pub async fn view(&self, session: SessionId, principal: &str) -> Result<SessionView, CallError> {
        let unknown = || CallError::UnknownSession(session);
        let stored = self.inner.writer.storage.summary(session).await?.ok_or_else(unknown)?;
        if *stored.principal != *principal {
            return Err(unknown());
        }
        let mut summary = stored;
        match self.inner.shelf.see(session) {
            Some(Seen::Parked(core)) => {
                summary.state = SessionState::InputRequired;
                (summary.round, summary.questions) = core.journal(|journal| {
                    (journal.round().last, journal.questions().map(|(_, question)| question).collect())
                });
            }
            Some(Seen::Busy) if !summary.state.is_final() => {
                summary.state = SessionState::Working;
                summary.questions.clear();
            }
            Some(Seen::Busy) | None => {}
        }
        let end = if summary.state.is_final() { self.load(session).await?.end.map(reply_of) } else { None };
        Ok(SessionView { summary, end })
    }

    /// Answers whatever is open, in any round. Answers to anything else are ignored. The session goes on in the background.
    ///
    /// # Errors
    /// [`CallError::UnknownSession`] if there is none, or it is somebody else's; [`CallError::Storage`];
    /// [`CallError::Resume`].
    pub async fn update(
        &self,
        session: SessionId,
        answers: HashMap<String, Json>,
        attempt: Attempt,
    ) -> Result<(), CallError> {
        self.take_update(session, Update::answered(answers), attempt).await.map(drop)
    }

    /// The same. Whether any of the answers was to a question that was open.
    pub(super) async fn take_update(
        &self,
        session: SessionId,
        update: Update,
        attempt: Attempt,
    ) -> Result<bool, CallError> {
        let summary = self.view(session, &attempt.principal).await?.summary;
        if summary.state.is_final() {
            return Ok(false);
        }
        let (round, digest) = (summary.round, update.digest());
        let take = |core: &Core| take_outcomes(core, round, digest, |key| update.outcomes.get(key).cloned());
        let mut work = match self.inner.shelf.take(session) {
            Found::Busy(done, _) => {
                let core = self.inner.shelf.at_work_on(session);
                let taken = core.as_ref().is_some_and(|core| take(core));
                if let (Some(core), true) = (core, taken) {
                    core.nudge();
                }
                settle(done).await;
                return Ok(taken);
            }
            Found::Parked(running, done) => Work::on(self.clone(), session, Some(running), done),
            Found::Absent(done) => {
                let mut work = Work::on(self.clone(), session, None, done);
                let resumed = self.load(session).await?;
                if resumed.end.is_some() {
                    return Ok(false);
                }
                match self.resume(resumed.started, resumed.journal, attempt.clone())? {
                    Ok(running) => work.set(running),
                    Err(failure) => {
                        tracing::warn!(%session, %failure, "a session cannot go on");
                        return Ok(false);
                    }
                }
                match work.running().advance().await {
                    Turn::Parked | Turn::WoundDown | Turn::Detached => {}
                    turn @ Turn::Finished(_) => {
                        work.finish(turn);
                        return Ok(false);
                    }
                }
                work
            }
        };
        let core = Arc::clone(&work.running().core);
        core.rebind(Attempt { events: None, ..attempt });
        if !take(&core) {
            work.park();
            return Ok(false);
        }
        work.running().begin_turn();
        let done = self.inner.shelf.when_done(session);
        self.go_on_alone_at(work);
        if let Some(done) = done {
            settle(done).await;
        }
        Ok(true)
    }

    /// Cancels a session of `principal`'s. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`CallError::UnknownSession`] if there is none, or it is somebody else's; [`CallError::Storage`].
    pub async fn cancel_own(&self, session: SessionId, principal: &str) -> Result<(), CallError> {
        if self.view(session, principal).await?.summary.state.is_final() {
            return Ok(());
        }
        match self.end(session, Failure::Cancelled).await {
            // It has ended in between.
            Err(CallError::UnknownSession(_)) => Ok(()),
            other => other,
        }
    }

    /// Goes on with the tasks that were at work when the last process ended.
    pub(super) async fn go_on_with_tasks(&self) -> Result<(), StorageError> {
        let mut query = ListQuery { unfinished: true, limit: BATCH, ..ListQuery::default() };
        loop {
            let page = self.inner.writer.storage.list(query.clone()).await?;
            query.after = page.last().map(|summary| summary.session);
            let working =
                |summary: &&SessionSummary| summary.detached && summary.state == SessionState::Working;
            for summary in page.iter().filter(working) {
                self.wake(summary.session).await;
            }
            if page.len() < BATCH {
                return Ok(());
            }
        }
    }
}

async fn settle(mut done: tokio::sync::watch::Receiver<()>) {
    // Closed, or too late: both are fine.
    let _ = tokio::time::timeout(SETTLING, done.changed()).await;
}
