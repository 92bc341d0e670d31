//! One connection as everybody sees it: where it stands, since when, and what its server wants of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;
use hyper::Request;
use tokio_util::sync::CancellationToken;

use crate::overdue::Overdue;
use crate::pace::Pace;
use crate::phase::{Order, Phase};
use crate::table::{Place, Table};
use crate::upload::{Stage, Upload, Verdict};
use crate::vigil::Vigil;
use crate::{BodyBound, ConnectionId, Event, EventKind, Protocol, Refusal};

/// A client's connection. It stays in its server's table until the last of its holders lets go: the task that serves
/// it, a response body, or what it was upgraded to.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    peer: Option<SocketAddr>,
    /// Written by the connection's own task alone, but for the end of an upload and for exchanges with entries of their own.
    phase: AtomicU8,
    /// The sweep's tick at which the phase began.
    since: AtomicU64,
    /// Written by the server, read by the connection's task at each of its polls.
    order: AtomicU8,
    /// Written by the sweep before it gives an order, and taken back by a request that comes before it is obeyed.
    overdue: AtomicU8,
    /// A [`Protocol`].
    protocol: AtomicU8,
    /// What is known of the response under way: [`FRESH`] and its like. Written by the connection's own task.
    response: AtomicU8,
    /// Whether the observer has been told of the end.
    told: AtomicBool,
    /// Whether somebody has taken it over, to speak another protocol.
    handed_over: AtomicBool,
    /// Whether somebody keeps it as [`Upgraded`](crate::Upgraded).
    upgraded: AtomicBool,
    /// Set by the sweep: nothing has been asked for in a while, and what a conversation takes can be given back.
    drowsy: AtomicBool,
    /// Whether its task is about to give that back: hyper thinks then that it closes.
    resting: AtomicBool,
    /// How the client reads.
    pub(crate) sending: Pace,
    /// Over HTTP/2: responses that are not written to their end.
    unsent: AtomicU32,
    /// How the client takes them while no service is at work on them. The sweep says when it begins to wait.
    pub(crate) taking: Pace,
    /// The request body of its exchange.
    pub(crate) upload: Upload,
    /// Whether its client is still there.
    pub(crate) vigil: Vigil,
    /// The task that has to look at a new order: at most one task moves a connection at a time.
    task: AtomicWaker,
    table: Arc<Table>,
    /// Where it stands in the table.
    index: usize,
    home: Home,
    /// Those of its exchanges that have entries of their own.
    exchanges: Exchanges,
}

/// What a request over HTTP/2 carries.
#[derive(Clone, Debug)]
pub(crate) struct OfStream(pub(crate) Arc<Connection>);

/// How many exchanges of a connection stand in each phase. Those that are idle are not counted.
#[derive(Debug, Default)]
struct Exchanges([AtomicU32; 4]);

impl Exchanges {
    /// The phases in which an exchange is under way. A connection stands in the first in which one of its exchanges is.
    const PHASES: [Phase; 4] = [Phase::Handler, Phase::Body, Phase::Upload, Phase::Upgraded];

    /// Moves one.
    fn shift(&self, from: Phase, to: Phase) {
        let at = |phase| Self::PHASES.iter().position(|other| *other == phase);
        if let Some(to) = at(to) {
            self.0[to].fetch_add(1, Ordering::SeqCst);
        }
        if let Some(from) = at(from) {
            self.0[from].fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Where the connection stands then.
    fn phase(&self) -> Phase {
        let first = self.0.iter().position(|count| count.load(Ordering::SeqCst) > 0);
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

/// What is said of connections whose server fails.
pub(crate) const LOST: &str = "the server has failed";

/// No byte of the response has been written.
pub(crate) const FRESH: u8 = 1;
/// The response is in chunks.
pub(crate) const CHUNKED: u8 = 2;
/// The response ends with the connection: HTTP/1.0, and a length that is not known.
pub(crate) const UNTIL_CLOSE: u8 = 4;
/// The response body has ended, or was let go.
pub(crate) const ENDED: u8 = 8;

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
            response: AtomicU8::new(0),
            told: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            drowsy: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            sending: Pace::default(),
            unsent: AtomicU32::new(0),
            taking: Pace::default(),
            upload: Upload::default(),
            vigil: Vigil::default(),
            task: AtomicWaker::new(),
            table,
            index,
            home,
            exchanges: Exchanges::default(),
        }
    }

    /// The entry of this request's exchange, where that is not the connection's own: over HTTP/2 each request has one, whose
    /// methods are about that request alone. Only the first call finds it.
    pub fn take_stream<B>(request: &mut Request<B>) -> Option<Arc<Self>> {
        if request.extensions().is_empty() {
            return None;
        }
        request.extensions_mut().remove::<OfStream>().map(|stream| stream.0)
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
        Phase::from_number(self.phase.load(Ordering::Relaxed))
    }

    /// Whether its server drains: what has no end of its own, such as an event stream, should end now.
    pub fn is_draining(&self) -> bool {
        self.order() >= Order::Finish
    }

    /// Fires when its server drains, for handlers that wait for something.
    pub fn draining(&self) -> &CancellationToken {
        self.table.draining()
    }

    /// Tells the observer that a service has refused a request, and closes the connection behind the answer: the two sides
    /// may not agree on where the next request begins.
    pub fn refused(&self, refusal: Refusal) {
        self.end(refusal.event());
        self.give(Order::LameDuck);
    }

    /// Where it stands as a drain sees it: a response that its client has not read yet is not over, though its body is.
    pub(crate) fn standing(&self) -> Phase {
        match self.phase() {
            Phase::Idle if self.sending.is_waiting() || self.is_unsent() => Phase::Body,
            phase => phase,
        }
    }

    /// If it is to be reset, tells so, while it is known what it was doing.
    pub(crate) fn tell_of_abort(&self) {
        if self.order() == Order::Abort {
            self.end(EventKind::ConnectionAborted { phase: self.standing() });
        }
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

    /// The client has done something: the bound of its phase begins anew.
    pub(crate) fn begin_anew(&self) {
        self.since.store(self.table.tick(), Ordering::Relaxed);
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

    /// One of its exchanges goes from a phase to another. Several threads may move some at once, and whoever writes what
    /// another has made out of date writes again: hence the one order of all that is counted, written and read here.
    fn move_exchange(&self, from: Phase, to: Phase) {
        if from == to {
            return;
        }
        self.exchanges.shift(from, to);
        loop {
            let phase = self.exchanges.phase();
            if phase as u8 == self.phase.load(Ordering::SeqCst) {
                return;
            }
            self.phase.store(phase as u8, Ordering::SeqCst);
            self.since.store(self.table.tick(), Ordering::Relaxed);
        }
    }

    /// So many of its responses are not written to their end. Whether that was the last of them, and it is idle from now on.
    pub(crate) fn set_unsent(&self, unsent: usize) -> bool {
        let unsent = u32::try_from(unsent).unwrap_or(u32::MAX);
        let ended = self.unsent.swap(unsent, Ordering::Relaxed) > 0 && unsent == 0;
        if ended && self.phase() == Phase::Idle {
            self.since.store(self.table.tick(), Ordering::Relaxed);
        }
        ended
    }

    /// Whether its client has not got all that it was given.
    pub(crate) fn is_unsent(&self) -> bool {
        self.unsent.load(Ordering::Relaxed) > 0
    }

    /// The request body of that exchange is over, one way or another.
    pub(crate) fn end_upload(&self, exchange: u32, stage: Stage) {
        self.upload.close(exchange, stage);
        let (from, to) = (Phase::Upload as u8, Phase::Idle as u8);
        if self.phase.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.since.store(self.table.tick(), Ordering::Relaxed);
            if let Home::Stream(connection) = &self.home {
                connection.move_exchange(Phase::Upload, Phase::Idle);
            }
        }
    }

    /// Whether its client has been told that it ends.
    pub(crate) fn is_noticed(&self) -> bool {
        self.protocol() == Protocol::Http2 && self.order() >= Order::Retire
    }

    /// Ticks since the phase began.
    pub(crate) fn age(&self, tick: u64) -> u64 {
        tick.saturating_sub(self.since.load(Ordering::Relaxed))
    }

    pub(crate) fn response(&self) -> u8 {
        self.response.load(Ordering::Relaxed)
    }

    pub(crate) fn set_response(&self, response: u8) {
        self.response.store(response, Ordering::Relaxed);
    }

    pub(crate) fn order(&self) -> Order {
        Order::from_number(self.order.load(Ordering::Acquire))
    }

    /// Asks for `order` unless something stricter was asked before, and wakes the task that has to obey.
    pub(crate) fn give(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::AcqRel) < order as u8 {
            self.task.wake();
        }
    }

    /// Closes it, or lets it finish first, because its client is overdue. Only the sweep does.
    pub(crate) fn expire(&self, overdue: Overdue, order: Order) {
        // One that was idle is asked to finish. If it is still there later, that is for a reason of its own.
        if matches!(self.overdue(), Overdue::No | Overdue::Idle) {
            self.overdue.store(overdue as u8, Ordering::Relaxed);
        }
        self.give(order);
    }

    /// The client has asked for something at the last moment: it was not idle.
    pub(crate) fn excuse(&self) {
        let (from, to) = (Overdue::Idle as u8, Overdue::No as u8);
        // Unless the sweep has found something else meanwhile.
        let _ = self.overdue.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Closes it because its client has been listened to for long enough. What ended it has been told. Only the sweep does.
    pub(crate) fn expire_linger(&self) {
        self.overdue.store(Overdue::Linger as u8, Ordering::Relaxed);
        self.give(Order::Close);
        self.task.wake();
    }

    /// Answers the request 408 because its body is overdue, or closes if there is an answer already. Only the sweep does.
    pub(crate) fn expire_upload(&self, bound: BodyBound) {
        self.upload.condemn(Verdict::TooSlow);
        if self.phase() == Phase::Handler {
            self.overdue.store(Overdue::from(bound) as u8, Ordering::Relaxed);
            self.task.wake();
        } else {
            self.expire(bound.into(), Order::Close);
        }
    }

    /// Lets its task look whether the client is still there, unless hyper hears that for itself. Only the sweep does.
    pub(crate) fn look_after_client(&self) {
        if self.protocol() == Protocol::Http1 && self.vigil.is_due(self.since()) {
            self.vigil.want();
            self.task.wake();
        }
    }

    pub(crate) fn overdue(&self) -> Overdue {
        Overdue::from_number(self.overdue.load(Ordering::Relaxed))
    }

    /// Makes `waker` the one that an order wakes. Look at the order after this, not before.
    pub(crate) fn listen(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Wakes the task that serves it.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    /// Lets it rest, if nothing is asked for by the time its task sees to it. Only the sweep does.
    pub(crate) fn lull(&self) {
        if !self.drowsy.swap(true, Ordering::Relaxed) {
            self.task.wake();
        }
    }

    /// Whether it is to rest now: nothing is under way and nothing waits to be sent.
    pub(crate) fn may_rest(&self) -> bool {
        self.drowsy.load(Ordering::Relaxed)
            && self.phase() == Phase::Idle
            && self.order() < Order::Finish
            && !self.sending.is_waiting()
    }

    pub(crate) fn rest(&self) {
        self.resting.store(true, Ordering::Relaxed);
    }

    /// It has given back what a conversation takes.
    pub(crate) fn count_rest(&self) {
        self.table.count_rested();
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// The next request has come.
    pub(crate) fn stir(&self) {
        self.resting.store(false, Ordering::Relaxed);
        self.drowsy.store(false, Ordering::Relaxed);
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

    /// Whether the observer has been told of the end.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// HTTP is over, and somebody has it who speaks another protocol.
    pub(crate) fn hand_over(&self) {
        self.handed_over.store(true, Ordering::Release);
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Acquire)
    }

    /// Somebody keeps it as upgraded, or does no more.
    pub(crate) fn set_upgraded(&self, upgraded: bool) {
        self.upgraded.store(upgraded, Ordering::Release);
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Acquire)
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if matches!(self.home, Home::Socket(_)) {
            // Nobody has got as far as serving it.
            self.tell_of_abort();
            self.end(EventKind::HandlerFailed { message: LOST.to_owned() });
        }
        self.table.remove(self.index);
        if let Home::Stream(connection) = &self.home {
            connection.move_exchange(self.phase(), Phase::Idle);
        }
    }
}
