//! One connection as everybody sees it: where it stands, since when, and what its server wants of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;

use crate::table::{Place, Table};
use crate::{ConnectionId, Event, EventKind, Protocol};

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
    /// Finish the exchange in flight, then close.
    Finish = 1,
    /// Close now: the client overstayed.
    Close = 2,
    /// Reset now, so that a cut response is seen as cut.
    Abort = 3,
}

/// Why the sweep closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Overdue {
    /// It does not.
    No = 0,
    /// The client asked for nothing.
    Idle = 1,
    /// The client did not finish a request head.
    Head = 2,
}

/// A client's connection. It stays in its server's table until the last of its holders lets go: the task that serves
/// it, a response body, or what it was upgraded to.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    peer: Option<SocketAddr>,
    /// Written by the connection's own task alone.
    phase: AtomicU8,
    /// The sweep's tick at which the phase began.
    since: AtomicU64,
    /// Written by the server, read by the connection's task at each of its polls.
    order: AtomicU8,
    /// Written by the sweep before it gives an order.
    overdue: AtomicU8,
    /// A [`Protocol`].
    protocol: AtomicU8,
    /// Whether the observer has been told of the end.
    told: AtomicBool,
    /// The task that has to look at a new order: at most one task moves a connection at a time.
    task: AtomicWaker,
    table: Arc<Table>,
    /// Where it stands in the table.
    index: usize,
    home: Home,
    /// Those of its exchanges that have entries of their own.
    exchanges: Exchanges,
}

/// How many exchanges of a connection stand in each phase. Those that are idle are not counted.
#[derive(Debug, Default)]
struct Exchanges([AtomicU32; 3]);

impl Exchanges {
    /// The phases in which an exchange is under way. A connection stands in the first in which one of its exchanges is.
    const PHASES: [Phase; 3] = [Phase::Handler, Phase::Body, Phase::Upgraded];

    /// Moves one, and says where the connection stands then.
    fn shift(&self, from: Phase, to: Phase) -> Phase {
        let at = |phase| Self::PHASES.iter().position(|other| *other == phase);
        if let Some(to) = at(to) {
            self.0[to].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(from) = at(from) {
            self.0[from].fetch_sub(1, Ordering::Relaxed);
        }
        let first = self.0.iter().position(|count| count.load(Ordering::Relaxed) > 0);
        first.map_or(Phase::Idle, |first| Self::PHASES[first])
    }
}

/// What keeps a connection's place.
#[derive(Debug)]
pub(crate) enum Home {
    /// A client's own connection.
    Socket(
        #[expect(
            dead_code,
            reason = "held for its Drop, which comes after the connection has left the table"
        )]
        Place,
    ),
    /// One exchange of several on this connection.
    Stream(Arc<Connection>),
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        peer: Option<SocketAddr>,
        table: Arc<Table>,
        index: usize,
        order: Order,
        home: Home,
    ) -> Self {
        Self {
            id,
            peer,
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::new(table.tick()),
            order: AtomicU8::new(order as u8),
            overdue: AtomicU8::new(Overdue::No as u8),
            protocol: AtomicU8::new(0),
            told: AtomicBool::new(false),
            task: AtomicWaker::new(),
            table,
            index,
            home,
            exchanges: Exchanges::default(),
        }
    }

    /// Its number.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// What it speaks, as far as it is known.
    pub fn protocol(&self) -> Protocol {
        match self.protocol.load(Ordering::Relaxed) {
            0 => Protocol::Http1,
            _ => Protocol::Http2,
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

    pub(crate) fn set_phase(&self, phase: Phase) {
        if let Home::Stream(connection) = &self.home {
            connection.move_exchange(self.phase(), phase);
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.table.tick(), Ordering::Relaxed);
    }

    /// Goes back to a phase that never ended, as far as its bound is concerned.
    pub(crate) fn resume(&self, phase: Phase, since: u64) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
    }

    /// The tick at which its phase began.
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    pub(crate) fn speak(&self, protocol: Protocol) {
        self.protocol.store(protocol as u8, Ordering::Relaxed);
    }

    /// Whether it is one exchange of several on a connection.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.home, Home::Stream(_))
    }

    /// One of its exchanges goes from a phase to another.
    fn move_exchange(&self, from: Phase, to: Phase) {
        let phase = self.exchanges.shift(from, to);
        if phase != self.phase() {
            self.set_phase(phase);
        }
    }

    /// Ticks since the phase began.
    pub(crate) fn age(&self, tick: u64) -> u64 {
        tick.saturating_sub(self.since.load(Ordering::Relaxed))
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Finish,
            2 => Order::Close,
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

    /// Closes it, or lets it finish first, because its client is overdue. Only the sweep does.
    pub(crate) fn expire(&self, overdue: Overdue, order: Order) {
        if self.overdue() == Overdue::No {
            self.overdue.store(overdue as u8, Ordering::Relaxed);
        }
        self.give(order);
    }

    pub(crate) fn overdue(&self) -> Overdue {
        match self.overdue.load(Ordering::Relaxed) {
            0 => Overdue::No,
            1 => Overdue::Idle,
            _ => Overdue::Head,
        }
    }

    /// Tells the observer of what is not the end.
    pub(crate) fn tell(&self, kind: EventKind) {
        let (connection, peer, protocol) = (Some(self.id), self.peer, self.protocol());
        self.table.tell(&Event { connection, peer, protocol, kind });
    }

    /// Tells the observer of the end, unless it has been told of one: the first cause is the one that counts.
    pub(crate) fn end(&self, kind: EventKind) {
        debug_assert!(kind.is_end(), "{kind:?}");
        if !self.told.swap(true, Ordering::AcqRel) {
            self.tell(kind);
        }
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.table.remove(self.index);
        if let Home::Stream(connection) = &self.home {
            connection.move_exchange(self.phase(), Phase::Idle);
        }
    }
}
