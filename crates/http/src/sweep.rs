//! The look at every connection that finds those past their time.

use std::time::Duration;

use crate::connection::Connection;
use crate::overdue::Overdue;
use crate::pace::{Least, Shortfall};
use crate::phase::{Order, Phase};
use crate::upload::{Allowed, Verdict};
use crate::{Protocol, ServerConfig, WriteBound};

/// The bounds of a server in ticks of its sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    idle: u64,
    /// For the answer to the notice that a connection ends.
    notice: u64,
    head: u64,
    linger: u64,
    upload: Allowed,
    sending: Least,
    /// Whether a client that does not read is found by `sending`.
    finds_stalled: bool,
}

impl Sweep {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let interval = config.sweep_interval();
        let ticks = |bound: Duration| bound.as_nanos().div_ceil(interval.as_nanos()) as u64;
        Self {
            idle: ticks(config.idle_timeout),
            notice: ticks(config.http2.ping_timeout),
            head: ticks(config.header_timeout),
            linger: ticks(config.linger_timeout),
            upload: Allowed {
                total: config.body_timeout.map(ticks),
                least: Least::new(config.read_timeout, config.min_receive_rate, config.rate_window, ticks),
            },
            sending: Least::new(config.write_timeout, config.min_send_rate, config.rate_window, ticks),
            finds_stalled: config.write_timeout.is_some(),
        }
    }

    /// Ends `connection` if it is past its time, or lets it look after its client. Once a tick.
    pub(crate) fn look(&self, connection: &Connection, tick: u64) {
        let shortfall = connection.sending.judge(tick, self.sending);
        if let Some(shortfall) = shortfall.or_else(|| self.judge_unsent(connection, tick)) {
            let bound = match shortfall {
                Shortfall::Progress => WriteBound::Progress,
                Shortfall::Rate => WriteBound::Rate,
            };
            return connection.expire(bound.into(), Order::Close);
        }
        if connection.upload.verdict() == Verdict::None
            && let Some(bound) = connection.upload.judge(tick, &self.upload)
        {
            return connection.expire_upload(bound);
        }
        let age = connection.age(tick);
        match connection.phase() {
            Phase::Idle if connection.is_unsent() => {}
            // Asked to finish, and still here: its response is stuck behind a client that does not read.
            Phase::Idle if age > 2 * self.idle && !self.finds_stalled => {
                connection.expire(Overdue::WriteProgress, Order::Close);
            }
            // Over HTTP/2 a client is told first, and this one does not answer.
            Phase::Idle if age > self.notice && connection.is_noticed() => connection.give(Order::Close),
            Phase::Idle if age > self.idle => connection.expire(Overdue::Idle, Order::Finish),
            Phase::Idle if age > 1 && connection.protocol() == Protocol::Http1 => connection.lull(),
            Phase::Head if age > self.head => connection.expire(Overdue::Head, Order::Close),
            Phase::Upload if age > self.idle || connection.upload.verdict() != Verdict::None => {
                connection.expire(Overdue::BodyProgress, Order::Close);
            }
            // A drain does not wait for a client that has had a moment to see its last response.
            Phase::Lingering if age > self.linger || (age > 1 && connection.is_draining()) => {
                connection.expire(Overdue::Linger, Order::Close);
            }
            Phase::Handler | Phase::Body if age > 1 => connection.look_after_client(),
            Phase::Idle
            | Phase::Head
            | Phase::Handler
            | Phase::Body
            | Phase::Upload
            | Phase::Upgraded
            | Phase::Lingering => {}
        }
    }

    /// Whether a client falls short of what it has to take of responses that their services have given whole. They have no
    /// bounds of their own any more, and bound the connection once nothing else is under way on it.
    fn judge_unsent(&self, connection: &Connection, tick: u64) -> Option<Shortfall> {
        let taking = &connection.taking;
        if connection.is_unsent() && matches!(connection.phase(), Phase::Idle | Phase::Head) {
            taking.wait(tick);
            let progress = self.sending.progress.or(Some(2 * self.idle));
            return taking.judge(tick, Least { progress, ..self.sending });
        }
        if taking.is_waiting() {
            taking.rest();
        }
        None
    }
}
