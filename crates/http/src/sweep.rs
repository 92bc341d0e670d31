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
        let ticks = |bound: Duration| {
            u64::try_from(bound.as_nanos().div_ceil(interval.as_nanos())).unwrap_or(u64::MAX)
        };
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
        // hyper is done with a response before its client is, which has the bounds of one until then.
        let unread = connection.sending.stillness(tick);
        match connection.phase() {
            Phase::Upload if connection.upload.verdict() != Verdict::None => {
                connection.expire(Overdue::BodyProgress, Order::Close);
            }
            Phase::Idle | Phase::Upload if unread.is_some() => {
                if unread > Some(self.idle.saturating_mul(2)) && !self.finds_stalled {
                    connection.expire(Overdue::WriteProgress, Order::Close);
                }
            }
            Phase::Idle if connection.is_unsent() => {}
            // Over HTTP/2 a client is told first, and this one does not answer.
            Phase::Idle if age > self.notice && connection.is_noticed() => connection.give(Order::Close),
            Phase::Idle if age > self.idle => connection.expire(Overdue::Idle, Order::Finish),
            Phase::Idle if age > 1 && connection.protocol() == Protocol::Http1 => connection.lull(),
            Phase::Head if age > self.head => connection.expire(Overdue::Head, Order::Close),
            Phase::Upload if age > self.idle => connection.expire(Overdue::BodyProgress, Order::Close),
            // A drain does not wait for a client that has had a moment to see its last response.
            Phase::Lingering if age > self.linger || (age > 1 && connection.is_draining()) => {
                connection.expire_linger();
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
            let progress = self.sending.progress.or(Some(self.idle.saturating_mul(2)));
            return taking.judge(tick, Least { progress, ..self.sending });
        }
        if taking.is_waiting() {
            taking.rest();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::Discard;
    use crate::table::{Census, Table};

    /// A connection whose response nobody has read to its end, with the sweep of its server. Its bounds are eight ticks.
    fn unread(write_timeout: bool) -> (Arc<Connection>, Sweep) {
        let bound = Duration::from_secs(1);
        let config = ServerConfig {
            idle_timeout: bound,
            write_timeout: write_timeout.then_some(bound),
            min_send_rate: None,
            ..ServerConfig::default()
        };
        let sweep = Sweep::new(&config);
        let table = Table::new(0, Arc::new(config), CancellationToken::new(), Arc::new(Discard));
        let connection = table.enter(None, Arc::new(Census::default()).admit(1).unwrap());
        connection.sending.wait(0);
        (connection, sweep)
    }

    fn ticks(connection: &Connection, sweep: &Sweep, count: usize) {
        for _ in 0..count {
            connection.table().sweep(sweep);
        }
    }

    #[test]
    fn a_client_that_reads_its_response_is_not_idle() {
        for write_timeout in [true, false] {
            let (connection, sweep) = unread(write_timeout);
            for _ in 0..10 {
                ticks(&connection, &sweep, 5);
                connection.sending.go_on(1, connection.table().tick());
            }
            assert_eq!((connection.order(), connection.overdue()), (Order::Serve, Overdue::No));
            connection.sending.rest();
            connection.begin_anew();
            ticks(&connection, &sweep, 8);
            assert_eq!(connection.order(), Order::Serve);
            ticks(&connection, &sweep, 1);
            assert_eq!((connection.order(), connection.overdue()), (Order::Finish, Overdue::Idle));
        }
    }

    #[test]
    fn a_client_that_stops_reading_the_end_of_its_response_is_told_as_that() {
        for (write_timeout, bound) in [(true, 8), (false, 16)] {
            let (connection, sweep) = unread(write_timeout);
            ticks(&connection, &sweep, 7);
            connection.sending.go_on(1, connection.table().tick());
            ticks(&connection, &sweep, bound);
            assert_eq!(connection.order(), Order::Serve);
            ticks(&connection, &sweep, 1);
            assert_eq!((connection.order(), connection.overdue()), (Order::Close, Overdue::WriteProgress));
        }
    }

    /// An idle connection is only asked to finish. What ends it after that is something else.
    #[test]
    fn what_comes_after_idleness_counts() {
        let (connection, sweep) = unread(true);
        connection.sending.rest();
        ticks(&connection, &sweep, 9);
        assert_eq!(connection.overdue(), Overdue::Idle);
        connection.sending.wait(connection.table().tick());
        ticks(&connection, &sweep, 9);
        assert_eq!((connection.order(), connection.overdue()), (Order::Close, Overdue::WriteProgress));
    }

    #[test]
    fn a_bound_that_never_comes_is_one() {
        let never = Duration::MAX;
        let config = ServerConfig {
            idle_timeout: never,
            header_timeout: never,
            write_timeout: None,
            min_send_rate: None,
            ..ServerConfig::default()
        };
        let (sweep, (connection, _)) = (Sweep::new(&config), unread(false));
        ticks(&connection, &sweep, 100);
        assert_eq!(connection.order(), Order::Serve);
    }
}
