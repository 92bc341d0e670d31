//! Watching a session: what happens in it, from now to its end, whoever answers it and wherever its code is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::{SessionEvent, SessionEventKind};

/// Events that wait for a watcher before the tool waits for it, too; and that are kept while nobody watches.
pub(crate) const KEPT_EVENTS: usize = 64;

/// The events of a session that somebody watches, or has watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    log: Mutex<Log>,
    /// An event has come, or the session has ended.
    added: Notify,
    /// A watcher has taken one, or is gone.
    taken: Notify,
}

#[derive(Debug, Default)]
struct Log {
    /// The number of the last event.
    last: u64,
    events: VecDeque<SessionEvent>,
    /// Progress and log messages that are gone because nobody watched.
    dropped: u64,
    /// Of each watcher, the number of the last event that it has taken.
    positions: Vec<(u64, u64)>,
    next_watcher: u64,
    over: bool,
}

/// What happens in a session, in order. Made by [`Sessions::watch`](crate::Sessions::watch).
#[derive(Debug)]
pub struct Watcher {
    watched: Arc<Watched>,
    number: u64,
}

impl Watched {
    /// With what was kept so far, the last event's number, and how many are gone.
    pub(crate) fn new(events: VecDeque<SessionEvent>, last: u64, dropped: u64) -> Arc<Self> {
        let log = Log { last, events, dropped, ..Log::default() };
        Arc::new(Self { log: Mutex::new(log), ..Self::default() })
    }

    /// One more watcher, which gets what is kept first.
    pub(crate) fn watcher(self: &Arc<Self>) -> Watcher {
        let log = &mut *self.log();
        let number = log.next_watcher;
        log.next_watcher += 1;
        let before = log.events.front().map_or(log.last, |event| event.seq - 1);
        log.positions.push((number, before));
        Watcher { watched: Arc::clone(self), number }
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.log().last
    }

    /// Adds an event that cannot wait: there are no more of them than questions, and one end.
    pub(crate) fn add(&self, kind: SessionEventKind) {
        let log = &mut *self.log();
        if log.over {
            return;
        }
        log.over = kind.is_end();
        log.last += 1;
        log.events.push_back(SessionEvent { seq: log.last, kind });
        log.trim();
        self.added.notify_waiters();
    }

    /// Adds an event once no watcher is too far behind.
    pub(crate) async fn tell(&self, kind: SessionEventKind) {
        loop {
            let mut room = std::pin::pin!(self.taken.notified());
            room.as_mut().enable();
            {
                let log = self.log();
                if log.positions.is_empty() || log.events.len() < KEPT_EVENTS {
                    drop(log);
                    return self.add(kind);
                }
            }
            room.await;
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // Nothing in here panics while it is locked.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Forgets what every watcher has taken. While nobody watches, the oldest of what need not be known go.
    fn trim(&mut self) {
        if let Some(taken) = self.positions.iter().map(|(_, taken)| *taken).min() {
            // The end is for those who come later, too.
            while self.events.front().is_some_and(|event| event.seq <= taken && !event.kind.is_end()) {
                self.events.pop_front();
            }
            return;
        }
        let mut left = self.events.iter().filter(|event| event.kind.may_be_dropped()).count();
        self.events.retain(|event| {
            let goes = left > KEPT_EVENTS && event.kind.may_be_dropped();
            left -= usize::from(goes);
            self.dropped += u64::from(goes);
            !goes
        });
        // Questions of long ago have been answered.
        while self.events.len() > 2 * KEPT_EVENTS {
            self.events.pop_front();
        }
    }
}

impl Watcher {
    /// The next event; None behind the session's end. Cancel safe.
    ///
    /// Whoever takes them slowly slows the tool: it waits before it tells more than 64 that nobody has taken.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        loop {
            let mut added = std::pin::pin!(self.watched.added.notified());
            added.as_mut().enable();
            {
                let log = &mut *self.watched.log();
                let own = log.positions.iter_mut().find(|(number, _)| *number == self.number);
                let (_, taken) = own.expect("it is there as long as its watcher is");
                let index = log.events.partition_point(|event| event.seq <= *taken);
                if let Some(event) = log.events.get(index).cloned() {
                    *taken = event.seq;
                    log.trim();
                    self.watched.taken.notify_waiters();
                    return Some(event);
                }
                if log.over {
                    return None;
                }
            }
            added.await;
        }
    }

    /// Progress and log messages that are gone since nobody watched while there were too many of them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.watched.log().dropped
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let log = &mut *self.watched.log();
        log.positions.retain(|(number, _)| *number != self.number);
        if !log.positions.is_empty() {
            log.trim();
        }
        self.watched.taken.notify_waiters();
    }
}
