//! The connections of one thread's share of a server.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use slab::Slab;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Home};
use crate::phase::{Order, Phase};
use crate::sweep::Sweep;
use crate::{ConnectionId, Event, EventKind, Observer, Protocol, ServerConfig};

/// Every connection of a server, in one share per thread that serves it. The lock of a share is taken when a connection
/// comes or goes, by the sweep and by a drain; never by a request.
pub(crate) struct Table {
    observer: Arc<dyn Observer>,
    config: Arc<ServerConfig>,
    /// Fires when the server drains.
    draining: CancellationToken,
    /// The high bits of its connections' numbers.
    share: u64,
    connections: Mutex<Slots>,
    /// Told when the last connection has gone.
    emptied: Notify,
    /// Sweeps so far: the clock that phases are dated with, read without a system call.
    tick: AtomicU64,
    /// Responses begun.
    served: AtomicU64,
    /// How many times a connection has given back what a conversation takes.
    rested: AtomicU64,
    /// Ends of connections that left bytes of a next request unanswered.
    dropped_pipelined: AtomicU64,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Slab<Weak<Connection>>,
    /// How many there have been.
    entered: u64,
    /// What a connection that comes now is told: a drain reaches those still queued.
    order: Option<Order>,
}

/// How many bits of a connection's number count the connections of its share.
const SHARE: u32 = 48;

/// A place in the census. Given back when it is dropped, wherever its connection ends: served, queued or lost.
#[derive(Debug)]
pub(crate) struct Place(Arc<Census>);

/// How many connections a server has, over all its threads.
#[derive(Debug, Default)]
pub(crate) struct Census {
    open: AtomicUsize,
    /// Woken when the last connection has gone.
    empty: Notify,
}

// === impl Table ===

impl Table {
    pub(crate) fn new(
        share: usize,
        config: Arc<ServerConfig>,
        draining: CancellationToken,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            observer,
            config,
            draining,
            share: share as u64,
            connections: Mutex::default(),
            emptied: Notify::new(),
            tick: AtomicU64::new(0),
            served: AtomicU64::new(0),
            rested: AtomicU64::new(0),
            dropped_pipelined: AtomicU64::new(0),
        })
    }

    /// Tells the observer.
    pub(crate) fn tell(&self, event: &Event) {
        self.observer.on(event);
    }

    /// Tells the observer of what is no connection's.
    pub(crate) fn tell_of_none(&self, peer: Option<SocketAddr>, kind: EventKind) {
        self.tell(&Event { connection: None, peer, protocol: Protocol::default(), kind });
    }

    /// Enters a connection that the census has [admitted](Census::admit).
    pub(crate) fn enter(self: &Arc<Self>, peer: Option<SocketAddr>, place: Place) -> Arc<Connection> {
        let mut connections = self.lock();
        let order = connections.order.unwrap_or(Order::Serve);
        let id = ConnectionId(self.share << SHARE | connections.entered);
        connections.entered += 1;
        let slot = connections.slots.vacant_entry();
        let connection =
            Arc::new(Connection::new(id, peer, Arc::clone(self), slot.key(), order, Home::Socket(place)));
        slot.insert(Arc::downgrade(&connection));
        connection
    }

    /// Enters one exchange of `connection`, with bounds of its own.
    pub(crate) fn enter_stream(self: &Arc<Self>, connection: &Arc<Connection>) -> Arc<Connection> {
        let mut connections = self.lock();
        // One that is being given to all may not have reached it yet, and will not reach the exchange.
        let order = connection.order().max(connections.order.unwrap_or(Order::Serve));
        let slot = connections.slots.vacant_entry();
        let home = Home::Stream(Arc::clone(connection));
        let (id, peer) = (connection.id(), connection.peer());
        let stream = Arc::new(Connection::new(id, peer, Arc::clone(self), slot.key(), order, home));
        stream.speak(connection.protocol());
        slot.insert(Arc::downgrade(&stream));
        stream
    }

    pub(crate) fn remove(&self, index: usize) {
        let mut connections = self.lock();
        connections.slots.remove(index);
        if connections.slots.is_empty() {
            drop(connections);
            self.emptied.notify_one();
        }
    }

    /// Waits for the last connection to go, or to have gone since the last call. One task may wait. Cancel safe.
    pub(crate) async fn emptied(&self) {
        self.emptied.notified().await;
    }

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.config
    }

    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    pub(crate) fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    pub(crate) fn count_served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_rested(&self) {
        self.rested.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rested(&self) -> u64 {
        self.rested.load(Ordering::Relaxed)
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn count_dropped_pipelined(&self) {
        self.dropped_pipelined.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped_pipelined(&self) -> u64 {
        self.dropped_pipelined.load(Ordering::Relaxed)
    }

    /// How many connections this share has had.
    pub(crate) fn entered(&self) -> u64 {
        self.lock().entered
    }

    /// How many connections this share has.
    pub(crate) fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Gives `order` to every connection, and to those that come later.
    pub(crate) fn give_all(&self, order: Order) {
        let connections = {
            let mut connections = self.lock();
            connections.order = connections.order.max(Some(order));
            Self::live(&connections)
        };
        for connection in connections {
            connection.give(order);
        }
    }

    /// Tells of the connections that were ordered to be reset while it is known what they were doing.
    pub(crate) fn tell_of_aborts(&self) {
        let connections = Self::live(&self.lock());
        for connection in connections.iter().filter(|connection| !connection.is_stream()) {
            connection.tell_of_abort();
        }
    }

    /// One tick: ends what is past its time.
    pub(crate) fn sweep(&self, sweep: &Sweep) {
        let tick = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        let connections = Self::live(&self.lock());
        for connection in connections {
            sweep.look(&connection, tick);
        }
    }

    /// Adds how many connections stand in each phase to `phases`.
    pub(crate) fn count_phases(&self, phases: &mut BTreeMap<Phase, usize>) {
        let connections = Self::live(&self.lock());
        for connection in connections.iter().filter(|connection| !connection.is_stream()) {
            *phases.entry(connection.standing()).or_default() += 1;
        }
    }

    /// Strong references, taken out of the lock: dropping the last one takes it again.
    fn live(connections: &Slots) -> Vec<Arc<Connection>> {
        connections.slots.iter().filter_map(|(_, connection)| connection.upgrade()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // No code that can panic runs under this lock.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("share", &self.share).field("len", &self.len()).finish_non_exhaustive()
    }
}

// === impl Census ===

impl Census {
    /// Takes a place for a new connection, if one of `max` is free.
    pub(crate) fn admit(self: &Arc<Self>, max: usize) -> Option<Place> {
        self.open
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |open| (open < max).then_some(open + 1))
            .ok()
            .map(|_| Place(Arc::clone(self)))
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until no connection is left.
    pub(crate) async fn empty(&self) {
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            empty.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            empty.await;
        }
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_begins_while_an_order_is_being_given_has_it_too() {
        let observer: Arc<dyn Observer> = Arc::new(|_: &Event| {});
        let table = Table::new(0, Arc::default(), CancellationToken::new(), observer);
        let census: Arc<Census> = Arc::default();
        let connection = table.enter(None, census.admit(1).unwrap());
        // As it stands before any connection has it.
        table.lock().order = Some(Order::Finish);
        assert_eq!(table.enter_stream(&connection).order(), Order::Finish);
        connection.give(Order::Close);
        assert_eq!(table.enter_stream(&connection).order(), Order::Close);
    }
}
