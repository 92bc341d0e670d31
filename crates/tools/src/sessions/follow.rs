//! Calls that go on without their request, and whoever hears of them by and by: what they are told is in the journal first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ostler_journal::{EntryEvent, EventNumbers, JournalEvent, Origin, Seq, SessionId, StorageError};
use tokio::sync::watch;
use tracing::Instrument;

use super::answer::reply_of;
use super::busy::FirstRound;
use super::watch::{asked, ended};
use super::{Call, Reply, Resume, Sessions, round};
use crate::Attempt;
use crate::drive::Turn;
use crate::error::{CallError, Failure};
use crate::event::{SessionEvent, SessionEventKind, Told};

/// The sessions that somebody follows. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followers {
    sessions: Arc<Mutex<HashMap<SessionId, Weak<watch::Sender<()>>>>>,
}

impl Followers {
    /// There is more of the journal of `session`, or no journal any more.
    pub(crate) fn tell(&self, session: SessionId) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.is_empty() {
            return;
        }
        match sessions.get(&session).map(Weak::upgrade) {
            Some(Some(followed)) => {
                followed.send_replace(());
            }
            Some(None) => {
                sessions.remove(&session);
            }
            None => {}
        }
    }

    fn follow(&self, session: SessionId) -> Arc<watch::Sender<()>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(followed) = sessions.get(&session).and_then(Weak::upgrade) {
            return followed;
        }
        sessions.retain(|_, followed| followed.strong_count() > 0);
        let followed = Arc::new(watch::Sender::new(()));
        sessions.insert(session, Arc::downgrade(&followed));
        followed
    }
}

impl Sessions {
    /// Calls, and lets the call go on without the caller. A tool that ends at once is answered at once, and nothing is written.
    /// Otherwise this gives a [`Reply::Task`] once it is durable that the call goes on, and whoever wants to know what becomes of it
    /// [follows](Self::follow) it. It asks with [`Attempt::capabilities`], and is answered by [`respond`](Self::respond).
    ///
    /// Dropped before that, the call and all it has begun ends.
    ///
    /// # Errors
    /// See [`CallError`]: the call was not begun, or could not be kept.
    pub async fn launch(&self, call: Call, attempt: Attempt) -> Result<Reply, CallError> {
        let (callable, call) = self.find(call)?;
        if self.inner.resume == Resume::Sealed {
            let name = callable.name.to_string();
            return Err(CallError::NeedsStore { name, what: "a call that goes on without its request" });
        }
        let span = round::span(&callable.name, &attempt);
        let launched = async {
            let mut first = FirstRound::new(self, self.begin(callable, call, attempt)?);
            first.running().launch();
            match first.running().advance().await {
                Turn::Finished(result) => {
                    self.note_finished(&first.running().core, &result);
                    Ok(result.map_or_else(Reply::Failed, Reply::Done))
                }
                Turn::Detached | Turn::Parked | Turn::WoundDown => {
                    let running = self.keep(first)?;
                    let session = running.core.journal(|journal| journal.session());
                    self.go_on_alone(session, running);
                    Ok(Reply::Task(session))
                }
            }
        };
        launched.instrument(span).await
    }

    /// Follows a session of `principal`'s that was [launched](Self::launch) by a call with an [`Origin`], from the event behind the
    /// one with the number `after` to its end. Whoever comes back with the number of the last event misses none and gets none twice,
    /// also when another process has gone on with the session meanwhile. The tool waits for nobody who follows.
    ///
    /// # Errors
    /// [`CallError::UnknownSession`] if there is none, it is somebody else's or was not launched so; [`CallError::Storage`].
    pub async fn follow(
        &self,
        session: SessionId,
        principal: &str,
        after: u64,
    ) -> Result<Follower, CallError> {
        let followed = self.inner.writer.followers.follow(session);
        let changed = followed.subscribe();
        let entries = self.inner.writer.storage.load(session).await?;
        let origin = match entries.first() {
            Some(EntryEvent::Started(started)) if *started.principal == *principal => started.origin.clone(),
            Some(_) | None => None,
        };
        let origin = origin.ok_or(CallError::UnknownSession(session))?;
        let mut follower = Follower {
            sessions: self.clone(),
            session,
            origin,
            numbers: EventNumbers::default(),
            place: Seq::default(),
            last: after,
            ready: VecDeque::new(),
            over: false,
            stale: false,
            changed,
            followed,
        };
        follower.read(entries);
        Ok(follower)
    }
}

/// What happens in a session, from its journal. Made by [`Sessions::follow`].
#[derive(Debug)]
pub struct Follower {
    sessions: Sessions,
    session: SessionId,
    origin: Origin,
    numbers: EventNumbers,
    /// Up to which the journal was read.
    place: Seq,
    /// The number of the last event that is ready or was given.
    last: u64,
    ready: VecDeque<SessionEvent>,
    /// Whether the end is among them, or was.
    over: bool,
    /// Whether the journal has to be read.
    stale: bool,
    changed: watch::Receiver<()>,
    /// Keeps the session among those that are followed.
    #[expect(dead_code, reason = "it only has to be there")]
    followed: Arc<watch::Sender<()>>,
}

impl Follower {
    /// Where the call came from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The next event; None behind the session's end, and when the store cannot be read: whoever follows anew goes on. Cancel safe.
    ///
    /// Its number counts from 1, without holes.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            if !self.stale {
                // The sender is kept here, so it is there.
                let _ = self.changed.changed().await;
                self.stale = true;
            }
            self.changed.mark_unchanged();
            if let Err(error) = self.go_on().await {
                tracing::warn!(session = %self.session, %error, "a session cannot be followed");
                self.over = true;
            }
        }
    }

    /// Reads what is new.
    async fn go_on(&mut self) -> Result<(), StorageError> {
        let storage = Arc::clone(&self.sessions.inner.writer.storage);
        let new = storage.load_from(self.session, self.place).await?;
        let ended = new.iter().any(|entry| matches!(entry, EntryEvent::Finished { .. }));
        if !new.is_empty() && !ended {
            self.read(new);
        } else {
            // The journal of a session that has ended may have been shortened, and is read as a whole, once. So is one that says
            // nothing new, which may be gone.
            let all = storage.load(self.session).await?;
            (self.numbers, self.place) = (EventNumbers::default(), Seq::default());
            self.read(all);
        }
        self.stale = false;
        Ok(())
    }

    fn read(&mut self, entries: Vec<EntryEvent>) {
        // Its time was over, and it is gone.
        if entries.is_empty() {
            let kind = SessionEventKind::Error(Failure::Expired);
            self.ready.push_back(SessionEvent { seq: self.last + 1, kind });
            self.over = true;
            return;
        }
        self.place = self.place.after(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        for (seq, event) in entries.into_iter().flat_map(|entry| self.numbers.of(entry)).collect::<Vec<_>>() {
            let kind = match event {
                JournalEvent::Asked(question) => asked(question),
                JournalEvent::Told(told) => match told.read::<Told>() {
                    Ok(told) => told.into(),
                    // A later version of this program has told it, to whom it may concern.
                    Err(_) => continue,
                },
                JournalEvent::Finished(end) => ended(&reply_of(end)),
            };
            self.over |= kind.is_end();
            if seq > self.last {
                self.last = seq;
                self.ready.push_back(SessionEvent { seq, kind });
            }
        }
    }
}
