//! One connection as everybody sees it: where it stands, since when, and what its server wants of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;

use crate::table::{Place, Table};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Open, and no byte of a next request has come.
    Idle = 0,
    /// Part of a request head has come.
    Head = 1,
    /// The service is making the response.
    Handler = 2,
    /// The response body is on its way.
    Body = 3,
    /// It speaks another protocol now, such as WebSocket.
    Upgraded = 4,
}

/// What the server asks of a connection. Orders only ever become stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// Answer one more request, and say that it was the last: its client is to come back on a new connection.
    Retire = 1,
    /// Finish the exchange in flight, then close.
    Finish = 2,
    /// Close now: the client overstayed.
    Close = 3,
    /// Reset now, so that a cut response is seen as cut.
    Abort = 4,
}

/// A client's connection. It stays in its server's table until the last of its holders lets go: the task that serves
/// it, a response body, or what it was upgraded to.
#[derive(Debug)]
pub struct Connection {
    peer: Option<SocketAddr>,
    /// Written by the connection's own task alone.
    phase: AtomicU8,
    /// The sweep's tick at which the phase began.
    since: AtomicU64,
    /// Written by the server, read by the connection's task at each of its polls.
    order: AtomicU8,
    /// The task that has to look at a new order: at most one task moves a connection at a time.
    task: AtomicWaker,
    table: Arc<Table>,
    /// Where it stands in the table.
    index: usize,
    #[expect(dead_code, reason = "held for its Drop, which comes after the connection has left the table")]
    place: Place,
}

impl Connection {
    pub(crate) fn new(
        peer: Option<SocketAddr>,
        table: Arc<Table>,
        index: usize,
        order: Order,
        place: Place,
    ) -> Self {
        Self {
            peer,
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::new(table.tick()),
            order: AtomicU8::new(order as u8),
            task: AtomicWaker::new(),
            table,
            index,
            place,
        }
    }

    /// The client's address. None over a Unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Handler,
            3 => Phase::Body,
            _ => Phase::Upgraded,
        }
    }

    /// Whether its server drains: what has no end of its own, such as an event stream, should end now.
    pub fn is_draining(&self) -> bool {
        self.order() >= Order::Finish
    }

    /// Whether the next response is to be the last.
    pub(crate) fn is_retiring(&self) -> bool {
        self.order() >= Order::Retire
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.table.tick(), Ordering::Relaxed);
    }

    /// Ticks since the phase began.
    pub(crate) fn age(&self, tick: u64) -> u64 {
        tick.saturating_sub(self.since.load(Ordering::Relaxed))
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Retire,
            2 => Order::Finish,
            3 => Order::Close,
            _ => Order::Abort,
        }
    }

    /// Asks for `order` unless something stricter was asked before, and wakes the task that has to obey.
    pub(crate) fn give(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::AcqRel) < order as u8 {
            self.task.wake();
        }
    }

    /// Makes `waker` the one that an order wakes. Look at the order after this, not before.
    pub(crate) fn listen(&self, waker: &Waker) {
        self.task.register(waker);
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.table.remove(self.index);
    }
}
