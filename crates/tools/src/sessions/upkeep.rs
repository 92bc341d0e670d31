//! What has to be done without a request: waking sessions that sleep, ending those whose time is over.

use std::convert::Infallible;
use std::sync::Arc;

use ostler_journal::SessionId;
use ostler_scope::{Closed, Scope};
use tracing::Instrument;
use tracing::field::display;

use super::busy::Work;
use super::shelf::Found;
use super::{Sessions, round};
use crate::Attempt;
use crate::attempt::ClientTerms;
use crate::drive::Running;
use crate::error::{CallError, Failure};

/// As many sessions are looked for in the store at a time.
const BATCH: usize = 1000;

impl Sessions {
    pub(super) fn keep_up(&self, scope: &Scope) -> Result<(), Closed> {
        let sessions = self.clone();
        scope.daemon("upkeep", async move {
            sessions.count_stored().await;
            // Never closed.
            let _charge = sessions.inner.charge.acquire().await;
            if let Err(error) = sessions.go_on_with_tasks().await {
                tracing::warn!(%error, "the tasks in the store cannot be gone on with");
            }
            loop {
                sessions.upkeep().await;
                tokio::time::sleep(sessions.inner.config.upkeep_interval).await;
            }
            #[expect(unreachable_code, reason = "it gives the future its type")]
            Ok::<_, Infallible>(())
        })?;
        let sessions = self.clone();
        scope.daemon("alarms", async move {
            loop {
                sessions.wait_for_wake().await;
                sessions.wake_parked().await;
            }
            #[expect(unreachable_code, reason = "it gives the future its type")]
            Ok::<_, Infallible>(())
        })
    }

    async fn count_stored(&self) {
        match self.inner.writer.storage.counts().await {
            Ok(counts) => {
                for (principal, count) in counts {
                    self.inner.census.add(&principal, usize::try_from(count).unwrap_or(usize::MAX));
                }
            }
            Err(error) => tracing::warn!(%error, "the sessions in the store cannot be counted"),
        }
    }

    async fn upkeep(&self) {
        let now = self.inner.clock.now();
        for session in self.inner.shelf.expired(now) {
            let _ = self.end(session, Failure::Expired).await;
        }
        if let Err(error) = self.upkeep_of_stored().await {
            tracing::warn!(%error, "the sessions in the store cannot be looked after");
        }
    }

    async fn upkeep_of_stored(&self) -> Result<(), ostler_journal::StorageError> {
        let storage = &self.inner.writer.storage;
        let now = self.inner.clock.now();
        for session in storage.due(now, BATCH).await? {
            if !self.inner.shelf.is_known(session) {
                self.wake(session).await;
            }
        }
        loop {
            let expired = storage.expire(now, BATCH).await?;
            expired.iter().for_each(|session| self.tell_ended(*session, &Err(Failure::Expired)));
            if expired.len() < BATCH {
                break;
            }
        }
        while storage.compact(BATCH).await? == BATCH {}
        Ok(())
    }

    async fn wait_for_wake(&self) {
        let sooner = self.inner.shelf.sooner.notified();
        match self.inner.shelf.first_wake() {
            Some(wake) => {
                let _ = tokio::time::timeout_at(self.inner.clock.instant(wake), sooner).await;
            }
            None => sooner.await,
        }
    }

    async fn wake_parked(&self) {
        for session in self.inner.shelf.due(self.inner.clock.now()) {
            self.wake(session).await;
        }
    }

    /// Lets the sleeps of a session end that have, and the session go on as far as it can.
    pub(super) async fn wake(&self, session: SessionId) {
        let mut work = match self.inner.shelf.take(session) {
            // Whoever is at work on it wakes it too.
            Found::Busy(..) => return,
            Found::Parked(running, done) => Work::on(self.clone(), session, Some(running), done),
            Found::Absent(done) => {
                let mut work = Work::on(self.clone(), session, None, done);
                match self.load_to_wake(session).await {
                    Ok(Some(running)) => work.set(running),
                    Ok(None) => return,
                    Err(error) => return tracing::warn!(%session, %error, "a session cannot be woken"),
                }
                work
            }
        };
        let now = self.inner.clock.now();
        let core = Arc::clone(&work.running().core);
        let attempt = core.cell().attempt.clone();
        let span = round::span(&core.callable.name, &attempt);
        span.record("session", display(session));
        let going_on = async move {
            core.rebind(Attempt { events: None, ..attempt });
            core.begun(|journal| journal.wake(now));
            work.running().begin_turn();
            let turn = work.running().advance().await;
            work.finish(turn);
            Ok::<_, Infallible>(())
        };
        let _ = self.spawn("wake", going_on.instrument(span));
    }

    async fn load_to_wake(&self, session: SessionId) -> Result<Option<Running>, CallError> {
        let resumed = self.load(session).await?;
        if resumed.end.is_some() {
            return Ok(None);
        }
        let terms: ClientTerms = resumed.started.client.read().unwrap_or_default();
        let attempt = terms.attempt(Arc::clone(&resumed.started.principal));
        match self.resume(resumed.started, resumed.journal, attempt)? {
            Ok(running) => Ok(Some(running)),
            Err(failure) => {
                tracing::warn!(%session, %failure, "a session cannot be woken");
                Ok(None)
            }
        }
    }

    /// Cancels a session, wherever it is: its tool is told, and everything it has begun ends.
    ///
    /// # Errors
    /// [`CallError::UnknownSession`] if there is none, or it has ended; [`CallError::Storage`].
    pub async fn cancel(&self, session: SessionId) -> Result<(), CallError> {
        self.end(session, Failure::Cancelled).await
    }

    pub(super) async fn end(&self, session: SessionId, failure: Failure) -> Result<(), CallError> {
        loop {
            let mut work = match self.inner.shelf.take(session) {
                Found::Busy(mut done, _) => {
                    self.inner.shelf.interrupt(session, &failure);
                    let _ = done.changed().await;
                    match self.inner.writer.storage.summary(session).await? {
                        Some(summary) if !summary.state.is_final() => continue,
                        Some(_) | None => return Ok(()),
                    }
                }
                Found::Parked(running, done) => Work::on(self.clone(), session, Some(running), done),
                Found::Absent(done) => {
                    let mut work = Work::on(self.clone(), session, None, done);
                    let resumed = self.load(session).await?;
                    if resumed.end.is_some() {
                        return Err(CallError::UnknownSession(session));
                    }
                    work.set(self.without_code(resumed)?);
                    work
                }
            };
            work.running().core.cancel();
            work.running().end(Err(failure.clone()));
            let turn = work.running().advance().await;
            return match work.finish(turn) {
                Some(Err(Failure::Storage { message })) => {
                    Err(CallError::Storage(ostler_journal::StorageError::new(message)))
                }
                Some(_) | None => Ok(()),
            };
        }
    }
}
