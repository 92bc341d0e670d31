//! A connection that speaks HTTP/2.

mod frames;
mod io;
mod ledger;
mod streams;

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;

use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};

use self::io::Booked;
use self::ledger::Ledger;
pub(crate) use self::streams::{Anywhere, Here};
use self::streams::{Shared, Streams};
use crate::connection::{Connection, Order, Overdue, Phase};
use crate::exchange::{Answer, Exchange, Followed};
use crate::io::Watched;
use crate::{ConnectionService, EventKind, Protocol, ServerConfig};

/// What spawns the streams of a service.
pub(crate) trait Spawner<S: ConnectionService>:
    From<Weak<Shared>> + Http2ServerConnExec<Answer<S::Future>, Exchange<S::Body>> + 'static
{
}

impl<S, E> Spawner<S> for E
where
    S: ConnectionService,
    E: From<Weak<Shared>> + Http2ServerConnExec<Answer<S::Future>, Exchange<S::Body>> + 'static,
{
}

/// A connection's service for its streams: each is followed like a connection of its own.
#[derive(Debug)]
struct Multiplexed<S> {
    service: S,
    connection: Arc<Connection>,
    streams: Streams,
}

impl<S: ConnectionService> Service<Request<Incoming>> for Multiplexed<S> {
    type Response = hyper::Response<Exchange<S::Body>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let exchange = self.connection.table().enter_stream(&self.connection);
        self.streams.announce(Arc::clone(&exchange));
        Followed { service: &self.service, connection: exchange }.call(request)
    }
}

/// How the server's part of a connection ended.
enum Outcome {
    /// hyper has ended it.
    Served(Result<(), hyper::Error>),
    /// The server wanted it closed or reset.
    Ordered,
}

/// Serves `io` until it ends, or until an order ends it.
pub(crate) async fn drive<S, E>(io: Watched, connection: Arc<Connection>, service: S, config: &ServerConfig)
where
    S: ConnectionService,
    E: Spawner<S>,
{
    connection.speak(Protocol::Http2);
    let streams = Streams::default();
    let ledger = Ledger::new(Arc::clone(&connection), config.http2.max_streams);
    let io = Booked::new(io, ledger.clone());
    let service = Multiplexed { service, connection: Arc::clone(&connection), streams: streams.clone() };
    let mut serving = builder::<E>(streams.executor(), config).serve_connection(TokioIo::new(io), service);
    // As with HTTP/1: what has come, but was not told of yet, is not idleness.
    let mut turn = pin!(tokio::task::yield_now());
    let mut finishing = false;
    let mut idle = false;
    let outcome = poll_fn(|cx| {
        connection.listen(cx.waker());
        streams.reap(cx);
        match connection.order() {
            Order::Finish if !finishing && turn.as_mut().poll(cx).is_ready() => {
                if let Poll::Ready(result) = Pin::new(&mut serving).poll(cx) {
                    return Poll::Ready(Outcome::Served(result));
                }
                finishing = true;
                idle = connection.phase() == Phase::Idle;
                if idle {
                    // The client's time to answer the notice begins.
                    connection.set_phase(Phase::Idle);
                }
                Pin::new(&mut serving).graceful_shutdown();
            }
            Order::Serve | Order::Finish => {}
            Order::Close | Order::Abort => return Poll::Ready(Outcome::Ordered),
        }
        Pin::new(&mut serving).poll(cx).map(Outcome::Served)
    })
    .await;
    ledger.close(streams.len());
    let overdue = match connection.overdue() {
        Overdue::Idle => Some(EventKind::IdleTimeout),
        Overdue::Head => Some(EventKind::HeaderTimeout),
        Overdue::No => None,
    };
    match outcome {
        Outcome::Ordered if connection.order() == Order::Abort => {}
        Outcome::Ordered => connection.end(overdue.unwrap_or(EventKind::ConnectionClosed)),
        Outcome::Served(Ok(())) if idle && connection.overdue() == Overdue::Idle => {
            connection.end(EventKind::IdleTimeout);
        }
        Outcome::Served(Ok(())) => connection.end(ledger.ending()),
        Outcome::Served(Err(error)) => connection.end(ending(&error, &ledger, connection.phase())),
    }
}

fn builder<E>(executor: E, config: &ServerConfig) -> http2::Builder<E> {
    let bounds = &config.http2;
    let head = u32::try_from(config.max_head_size).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.max_streams)
        .max_pending_accept_reset_streams(bounds.max_resets)
        .max_local_error_reset_streams(bounds.max_resets)
        .max_header_list_size(head)
        .initial_stream_window_size(bounds.window)
        .initial_connection_window_size(bounds.window)
        .max_send_buf_size(bounds.send_buffer as usize)
        .keep_alive_interval(bounds.ping_interval)
        .keep_alive_timeout(bounds.ping_timeout)
        .enable_connect_protocol();
    builder
}

/// What hyper's error means.
fn ending(error: &hyper::Error, ledger: &Ledger, phase: Phase) -> EventKind {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let codec = causes.filter_map(|cause| cause.downcast_ref::<::h2::Error>()).next();
    match (ledger.ending(), phase) {
        // A client that does not answer a PING.
        (_, Phase::Idle) if error.is_timeout() => EventKind::IdleTimeout,
        (_, phase) if error.is_timeout() => EventKind::ClientDisconnected { phase },
        (told @ EventKind::RequestParseError { .. }, _) => told,
        (_, phase) => match codec {
            Some(codec) if codec.is_library() && !codec.is_io() => {
                EventKind::RequestParseError { reason: codec.to_string() }
            }
            Some(_) | None => EventKind::ClientDisconnected { phase },
        },
    }
}
