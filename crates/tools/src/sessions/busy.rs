//! Whoever is at work on a session, and what becomes of the session when they are cut off.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostler_journal::SessionId;
use tokio::sync::watch;

use super::Sessions;
use crate::drive::{Running, Turn};
use crate::error::Failure;

/// The first round of a session: nobody but the one who called knows of it.
pub(super) struct FirstRound<'s> {
    sessions: &'s Sessions,
    running: Option<Box<Running>>,
}

impl<'s> FirstRound<'s> {
    pub(super) fn new(sessions: &'s Sessions, running: Running) -> Self {
        Self { sessions, running: Some(Box::new(running)) }
    }

    pub(super) fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("it is there until it is kept")
    }

    pub(super) fn principal(&self) -> Arc<str> {
        let running = self.running.as_ref().expect("it is there until it is kept");
        Arc::clone(&running.core.cell().attempt.principal)
    }

    /// Somebody else knows of it now.
    pub(super) fn keep(mut self) -> Box<Running> {
        self.running.take().expect("it is there until it is kept")
    }
}

impl Drop for FirstRound<'_> {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        // What it has written is of no use to anybody. What it has not will not be.
        if running.core.begun(|journal| journal.is_stored()) != Some(true) || running.is_over() {
            return;
        }
        running.core.cancel();
        running.end(Err(Failure::Cancelled));
        let ending = async move {
            running.advance().await;
            Ok::<_, Infallible>(())
        };
        // While the host ends there is nobody to do it; the session expires.
        let _ = self.sessions.spawn("cancel", ending);
    }
}

/// One's work on a session that others know of too.
pub(super) struct Work {
    sessions: Sessions,
    pub(super) session: SessionId,
    running: Option<Box<Running>>,
    /// Closed when this is dropped, which those wait for who want the session too.
    done: Option<watch::Sender<()>>,
    /// Cut off once already: there is nobody who would finish it.
    winding_down: bool,
}

impl Work {
    pub(super) fn on(
        sessions: Sessions,
        session: SessionId,
        running: Option<Box<Running>>,
        done: watch::Sender<()>,
    ) -> Self {
        if running.as_ref().is_some_and(|running| running.core.unpark()) {
            sessions.inner.counters.foreign_wakes.fetch_add(1, Ordering::Relaxed);
        }
        Self { sessions, session, running, done: Some(done), winding_down: false }
    }

    pub(super) fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    pub(super) fn set(&mut self, running: Running) {
        self.sessions.inner.shelf.at_work(self.session, &running.core);
        self.running = Some(Box::new(running));
    }

    pub(super) fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("it is there while there is work")
    }

    /// The session waits for answers.
    pub(super) fn park(mut self) {
        if let Some(running) = self.running.take() {
            self.sessions.park(self.session, running);
        }
    }

    /// The session has come to `turn`. Gives how it ended, if it has.
    pub(super) fn finish(mut self, turn: Turn) -> Option<Result<ostler_journal::Json, Failure>> {
        match turn {
            Turn::Finished(result) => {
                let running = self.running.take();
                if let Some(running) = &running {
                    self.sessions.note_finished(&running.core, &result);
                }
                // What could not go on, for a reason that may pass, still counts: it waits in its journal.
                if result.as_ref().map_or_else(Failure::is_end, |_| true)
                    && let Some(running) = &running
                {
                    let principal = Arc::clone(&running.core.cell().attempt.principal);
                    self.sessions.inner.census.leave(&principal);
                }
                Some(result)
            }
            Turn::Parked => {
                if let Some(running) = &self.running {
                    self.sessions.note_parked(&running.core);
                }
                self.park();
                None
            }
            Turn::WoundDown | Turn::Detached => {
                self.park();
                None
            }
        }
    }

    /// Lets what is at work end, and starts nothing new.
    async fn wind_down(mut self) {
        let limit = self.sessions.inner.config.wind_down;
        let running = self.running();
        running.core.wind_down();
        let turn = tokio::time::timeout(limit, running.advance()).await;
        match turn {
            Ok(turn) => {
                self.finish(turn);
            }
            // Its journal is all that is left of it, and goes on where it was.
            Err(_) => self.running = None,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let (session, sessions) = (self.session, self.sessions.clone());
        if let Some(running) = self.running.take()
            && !self.winding_down
            && sessions.is_open()
        {
            let (running, done) = (Some(running), self.done.take());
            let work = Self { sessions: sessions.clone(), session, running, done, winding_down: true };
            let winding_down = async move {
                work.wind_down().await;
                Ok::<_, Infallible>(())
            };
            // Refused, the work has been dropped once more, and has left.
            let _ = sessions.spawn("wind down", winding_down);
            return;
        }
        sessions.inner.shelf.leave(session);
    }
}
