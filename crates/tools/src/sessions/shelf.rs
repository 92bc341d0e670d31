//! Where sessions are between two rounds, and who is at work on which.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_journal::{Digest, SessionId, Timestamp};
use tokio::sync::{Notify, watch};

use crate::core::Core;
use crate::drive::Running;
use crate::error::Failure;

/// The sessions that this process has something of.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    places: Mutex<Places>,
    /// Told when a session is parked that has to be woken before all others.
    pub(super) sooner: Notify,
}

#[derive(Debug, Default)]
struct Places {
    sessions: HashMap<SessionId, Place>,
    /// Parked ones by when they were parked, for eviction.
    order: BTreeMap<u64, SessionId>,
    next_order: u64,
    /// Parked ones that sleep, by when they wake.
    wakes: BTreeSet<(Timestamp, SessionId)>,
    bytes: usize,
    busy: usize,
}

#[derive(Debug)]
enum Place {
    Parked(Parked),
    Busy(Busy),
}

#[derive(Debug)]
struct Parked {
    running: Box<Running>,
    bytes: usize,
    order: u64,
    wake: Option<Timestamp>,
    expires: Timestamp,
}

/// A session that somebody is at work on.
#[derive(Debug, Clone)]
struct Busy {
    /// Closed when they are done.
    done: watch::Receiver<()>,
    /// The round and the answers they are at work with.
    answered: Option<(u32, Digest)>,
    /// The session itself, once it is there.
    core: Option<Arc<Core>>,
}

/// What there is of a session.
pub(super) enum Found {
    /// It was parked; now it is the finder's to work on.
    Parked(Box<Running>, watch::Sender<()>),
    /// This process has nothing of it; it is the finder's to load.
    Absent(watch::Sender<()>),
    /// Somebody is at work on it.
    Busy(watch::Receiver<()>, Option<(u32, Digest)>),
}

/// What there is of a session, for somebody who only looks.
pub(super) enum Seen {
    /// It is parked.
    Parked(Arc<Core>),
    /// Somebody is at work on it.
    Busy,
}

impl Shelf {
    /// Takes a session to work on it.
    pub(super) fn take(&self, session: SessionId) -> Found {
        let places = &mut *self.places();
        if let Some(Place::Busy(busy)) = places.sessions.get(&session) {
            return Found::Busy(busy.done.clone(), busy.answered);
        }
        let (sender, done) = watch::channel(());
        let parked = places.remove_parked(session);
        let core = parked.as_ref().map(|running| Arc::clone(&running.core));
        places.sessions.insert(session, Place::Busy(Busy { done, answered: None, core }));
        places.busy += 1;
        match parked {
            Some(running) => Found::Parked(running, sender),
            None => Found::Absent(sender),
        }
    }

    /// Enters a session that somebody is at work on from the start.
    pub(super) fn enter(&self, session: SessionId, core: &Arc<Core>) -> watch::Sender<()> {
        let (sender, done) = watch::channel(());
        let places = &mut *self.places();
        let busy = Busy { done, answered: None, core: Some(Arc::clone(core)) };
        places.sessions.insert(session, Place::Busy(busy));
        places.busy += 1;
        sender
    }

    /// What there is of a session, without taking it.
    pub(super) fn see(&self, session: SessionId) -> Option<Seen> {
        Some(match self.places().sessions.get(&session)? {
            Place::Parked(parked) => Seen::Parked(Arc::clone(&parked.running.core)),
            Place::Busy(_) => Seen::Busy,
        })
    }

    /// The session that somebody is at work on, once it is there.
    pub(super) fn at_work_on(&self, session: SessionId) -> Option<Arc<Core>> {
        match self.places().sessions.get(&session)? {
            Place::Busy(busy) => busy.core.clone(),
            Place::Parked(_) => None,
        }
    }

    /// Closed when the one at work on `session` is done.
    pub(super) fn when_done(&self, session: SessionId) -> Option<watch::Receiver<()>> {
        match self.places().sessions.get(&session)? {
            Place::Busy(busy) => Some(busy.done.clone()),
            Place::Parked(_) => None,
        }
    }

    /// Notes the session itself, which somebody has loaded.
    pub(super) fn at_work(&self, session: SessionId, core: &Arc<Core>) {
        if let Some(Place::Busy(busy)) = self.places().sessions.get_mut(&session) {
            busy.core = Some(Arc::clone(core));
        }
    }

    /// Has the one at work on `session` end it.
    pub(super) fn interrupt(&self, session: SessionId, failure: &Failure) {
        if let Some(core) = self.at_work_on(session) {
            core.interrupt(failure.clone());
        }
    }

    /// Notes which answers the one at work on `session` is at work with.
    pub(super) fn answering(&self, session: SessionId, answered: (u32, Digest)) {
        if let Some(Place::Busy(busy)) = self.places().sessions.get_mut(&session) {
            busy.answered = Some(answered);
        }
    }

    /// Puts a session back that is parked now. To be called by the one at work on it, or for one that is new here.
    pub(super) fn park(&self, session: SessionId, running: Box<Running>) {
        let bytes = running.size();
        let wake = running.core.begun(|journal| journal.next_wake()).flatten();
        let expires = running.core.cell().beginning.expires;
        let places = &mut *self.places();
        let order = places.next_order;
        places.next_order += 1;
        let place = Place::Parked(Parked { running, bytes, order, wake, expires });
        if let Some(Place::Busy(_)) = places.sessions.insert(session, place) {
            places.busy -= 1;
        }
        places.order.insert(order, session);
        places.bytes += bytes;
        if let Some(wake) = wake {
            places.wakes.insert((wake, session));
            if places.wakes.first() == Some(&(wake, session)) {
                self.sooner.notify_one();
            }
        }
    }

    /// Forgets a session that somebody was at work on: its journal is all there is of it.
    pub(super) fn leave(&self, session: SessionId) {
        let places = &mut *self.places();
        if let Some(Place::Busy(_)) = places.sessions.get(&session) {
            places.sessions.remove(&session);
            places.busy -= 1;
        }
    }

    /// Drops parked tools, those that were parked first, until they hold no more than `bytes`. Gives them to the caller, whom
    /// their destructors may take long.
    #[expect(clippy::vec_box, reason = "they are boxed already, and large")]
    pub(super) fn evict_down_to(&self, bytes: usize) -> Vec<Box<Running>> {
        let places = &mut *self.places();
        let mut evicted = Vec::new();
        while places.bytes > bytes
            && let Some((_, session)) = places.order.first_key_value()
        {
            let session = *session;
            evicted.extend(places.remove_parked(session));
        }
        evicted
    }

    /// The sessions that have expired.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<SessionId> {
        let over = |(session, place): (&SessionId, &Place)| match place {
            Place::Parked(parked) => (parked.expires <= now).then_some(*session),
            Place::Busy(busy) => {
                let expires = busy.core.as_ref().map(|core| core.cell().beginning.expires);
                expires.is_some_and(|expires| expires <= now).then_some(*session)
            }
        };
        self.places().sessions.iter().filter_map(over).collect()
    }

    /// When the first parked session has to be woken.
    pub(super) fn first_wake(&self) -> Option<Timestamp> {
        self.places().wakes.first().map(|(wake, _)| *wake)
    }

    /// The parked sessions that have to be woken by `now`.
    pub(super) fn due(&self, now: Timestamp) -> Vec<SessionId> {
        self.places().wakes.iter().take_while(|(wake, _)| *wake <= now).map(|(_, session)| *session).collect()
    }

    pub(super) fn is_known(&self, session: SessionId) -> bool {
        self.places().sessions.contains_key(&session)
    }

    /// Parked ones, busy ones, and the bytes that the parked ones hold.
    pub(super) fn count(&self) -> (usize, usize, usize) {
        let places = self.places();
        (places.order.len(), places.busy, places.bytes)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn unlist(&mut self, session: SessionId, parked: &Parked) {
        self.order.remove(&parked.order);
        self.bytes -= parked.bytes;
        if let Some(wake) = parked.wake {
            self.wakes.remove(&(wake, session));
        }
    }

    fn remove_parked(&mut self, session: SessionId) -> Option<Box<Running>> {
        match self.sessions.remove(&session)? {
            Place::Parked(parked) => {
                self.unlist(session, &parked);
                Some(parked.running)
            }
            busy @ Place::Busy(_) => {
                self.sessions.insert(session, busy);
                None
            }
        }
    }
}

/// How many sessions wait for answers.
#[derive(Debug, Default)]
pub(super) struct Census {
    counts: Mutex<(usize, HashMap<Arc<str>, usize>)>,
}

impl Census {
    pub(super) fn add(&self, principal: &Arc<str>, count: usize) {
        let (all, of) = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *all += count;
        *of.entry(Arc::clone(principal)).or_default() += count;
    }

    /// Counts one more, unless that would be more than `max` in all or `max_each` of `principal`; then says which.
    pub(super) fn enter(&self, principal: &Arc<str>, max: usize, max_each: usize) -> Result<(), bool> {
        let (all, of) = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if *all >= max {
            return Err(true);
        }
        let own = of.entry(Arc::clone(principal)).or_default();
        if *own >= max_each {
            return Err(false);
        }
        *own += 1;
        *all += 1;
        Ok(())
    }

    pub(super) fn leave(&self, principal: &Arc<str>) {
        let (all, of) = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.saturating_sub(1);
        if let Some(own) = of.get_mut(principal) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                of.remove(principal);
            }
        }
    }
}
