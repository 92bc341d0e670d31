//! Watching a session, and answering one of its questions from outside of its calls.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ostler_journal::{EntryEvent, Json, Question, SessionId};

use super::shelf::Seen;
use super::task::Update;
use super::{Reply, Sessions};
use crate::Attempt;
use crate::core::Core;
use crate::error::{CallError, Failure, RespondError};
use crate::event::SessionEventKind;
use crate::watch::{Watched, Watcher};

/// The sessions that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Watch {
    sessions: Mutex<HashMap<SessionId, Weak<Watched>>>,
}

impl Watch {
    /// What is watched of `session`, if anybody watches it.
    pub(super) fn of(&self, session: SessionId) -> Option<Arc<Watched>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = sessions.get(&session)?.upgrade();
        if watched.is_none() {
            sessions.remove(&session);
        }
        watched
    }

    /// The same, or what `begin` makes for the first who watches.
    fn begin(&self, session: SessionId, begin: impl FnOnce() -> Arc<Watched>) -> Arc<Watched> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = sessions.get(&session).and_then(Weak::upgrade) {
            return watched;
        }
        sessions.retain(|_, watched| watched.strong_count() > 0);
        let watched = begin();
        sessions.insert(session, Arc::downgrade(&watched));
        watched
    }
}

impl Sessions {
    /// Watches a session of `principal`'s, from what is kept of its events and the questions that are open, to its end. The last
    /// event is [`SessionEventKind::Result`], [`SessionEventKind::Error`] or [`SessionEventKind::Cancelled`]. That nobody watches
    /// any more changes nothing.
    ///
    /// # Errors
    /// [`CallError::UnknownSession`] if there is none, or it is somebody else's; [`CallError::Storage`].
    pub async fn watch(&self, session: SessionId, principal: &str) -> Result<Watcher, CallError> {
        let view = self.view(session, principal).await?;
        let core = match self.inner.shelf.see(session) {
            Some(Seen::Parked(core)) => Some(core),
            Some(Seen::Busy) => self.inner.shelf.at_work_on(session),
            None => None,
        };
        let watched = self.inner.watch.begin(session, || {
            let watched = match &core {
                Some(core) => core.watch(),
                None => Watched::new(VecDeque::new(), 0, 0),
            };
            for question in &view.summary.questions {
                watched.add(asked(question.clone()));
            }
            watched
        });
        if let Some(end) = view.end {
            watched.add(ended(&end));
        }
        Ok(watched.watcher())
    }

    /// Answers the question `key` of a session of `principal`'s, in whatever round it is open. The session goes on in the
    /// background; whoever comes back to it with a call finds that round answered.
    ///
    /// # Errors
    /// See [`RespondError`]: the answer was not taken.
    pub async fn respond(
        &self,
        session: SessionId,
        key: &str,
        answer: Json,
        attempt: Attempt,
    ) -> Result<(), RespondError> {
        let update = Update::answered(HashMap::from([(key.to_owned(), answer)]));
        self.settle(session, key, update, attempt).await
    }

    /// Lets the question `key` go unanswered, since the client will not answer it, for `reason`: what the user was asked is
    /// cancelled by that, and whoever asked anything else is told [`ContextError::Refused`](crate::ContextError::Refused).
    ///
    /// # Errors
    /// See [`RespondError`]: the question is as it was.
    pub async fn refuse(
        &self,
        session: SessionId,
        key: &str,
        reason: String,
        attempt: Attempt,
    ) -> Result<(), RespondError> {
        self.settle(session, key, Update::refused(key, reason), attempt).await
    }

    async fn settle(
        &self,
        session: SessionId,
        key: &str,
        update: Update,
        attempt: Attempt,
    ) -> Result<(), RespondError> {
        let view = self.view(session, &attempt.principal).await?;
        let settled = || RespondError::Settled { key: key.to_owned() };
        match view.end {
            Some(Reply::Failed(Failure::Expired)) => return Err(RespondError::Expired),
            Some(_) => return Err(settled()),
            None if view.summary.expires <= self.inner.clock.now() => return Err(RespondError::Expired),
            None => {}
        }
        if self.take_update(session, update, attempt).await? {
            return Ok(());
        }
        let entries = self.inner.writer.storage.load(session).await.map_err(CallError::from)?;
        let was_asked = entries.iter().any(|entry| match entry {
            EntryEvent::Asked { questions, .. } => questions.iter().any(|question| question.key == key),
            _ => false,
        });
        Err(if was_asked { settled() } else { RespondError::Unknown { key: key.to_owned() } })
    }

    /// Tells whoever watches what a session has come to ask.
    pub(super) fn tell_asked(&self, core: &Core) {
        let Some((session, questions)) = core.begun(|journal| {
            (journal.session(), journal.questions().map(|(_, question)| question).collect::<Vec<_>>())
        }) else {
            return;
        };
        if let Some(watched) = self.inner.watch.of(session) {
            questions.into_iter().for_each(|question| watched.add(asked(question)));
        }
    }

    /// Tells whoever watches how `session` has ended.
    pub(super) fn tell_ended(&self, session: SessionId, result: &Result<Json, Failure>) {
        self.inner.writer.followers.tell(session);
        if let Some(watched) = self.inner.watch.of(session) {
            watched.add(match result {
                Ok(result) => SessionEventKind::Result(result.clone()),
                Err(Failure::Cancelled) => SessionEventKind::Cancelled,
                Err(failure) => SessionEventKind::Error(failure.clone()),
            });
        }
    }
}

/// A question as an event.
pub(super) fn asked(question: Question) -> SessionEventKind {
    let request: serde_json::Value = question.request.read().unwrap_or_default();
    match request["method"].as_str() {
        Some("elicitation/create") => SessionEventKind::ElicitRequest(question),
        Some("sampling/createMessage") => SessionEventKind::SampleRequest(question),
        _ => SessionEventKind::RootsRequest(question),
    }
}

pub(super) fn ended(end: &Reply) -> SessionEventKind {
    match end {
        Reply::Done(result) => SessionEventKind::Result(result.clone()),
        Reply::Failed(Failure::Cancelled) => SessionEventKind::Cancelled,
        Reply::Failed(failure) => SessionEventKind::Error(failure.clone()),
        Reply::Input(_) | Reply::Task(_) => unreachable!("it is no end"),
    }
}
