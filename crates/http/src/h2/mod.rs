//! A connection that speaks HTTP/2.

mod exchange;
pub(crate) mod frames;
mod io;
mod ledger;
mod response;
mod streams;

use std::error::Error;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;

use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use ostler_scope::BoxError;

use self::exchange::{Answering, Asked, Sending};
use self::io::Booked;
use self::ledger::Ledger;
pub(crate) use self::streams::{Anywhere, Here};
use self::streams::{Shared, Streams};
use crate::connection::{Connection, OfStream};
use crate::end::Outcome;
use crate::exchange::Followed;
use crate::h1::message;
use crate::io::Watched;
use crate::overdue::Overdue;
use crate::phase::{Order, Phase};
use crate::{ConnectionService, EventKind, Protocol, ServerConfig};

/// What spawns the streams of a service.
pub(crate) trait Spawner<S: ConnectionService>:
    From<Weak<Shared>> + Http2ServerConnExec<Answering<S::Future>, Sending<S::Body>> + 'static
{
}

impl<S, E> Spawner<S> for E
where
    S: ConnectionService,
    E: From<Weak<Shared>> + Http2ServerConnExec<Answering<S::Future>, Sending<S::Body>> + 'static,
{
}

/// A connection's service for its streams: each is followed like a connection of its own.
#[derive(Debug)]
struct Multiplexed<S> {
    service: S,
    connection: Arc<Connection>,
    streams: Streams,
    ledger: Ledger,
}

impl<S: ConnectionService> Service<Request<Incoming>> for Multiplexed<S> {
    type Response = hyper::Response<Sending<S::Body>>;
    type Error = BoxError;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let exchange = self.connection.table().enter_stream(&self.connection);
        request.extensions_mut().insert(OfStream(Arc::clone(&exchange)));
        self.streams.announce(Arc::clone(&exchange));
        let asked = if request.method() == Method::HEAD { Asked::Head } else { Asked::Response };
        let answer = Followed { service: &self.service, connection: Arc::clone(&exchange) }.call(request);
        Answering::new(answer, asked, exchange, self.ledger.clone())
    }
}

/// Serves `io` until it ends, or until an order ends it.
pub(crate) async fn drive<S, E>(io: Watched, connection: Arc<Connection>, service: S, config: &ServerConfig)
where
    S: ConnectionService,
    E: Spawner<S>,
{
    connection.speak(Protocol::Http2);
    let ledger = Ledger::new(Arc::clone(&connection), config.http2.max_streams);
    let streams = Streams::new(ledger.clone());
    let io = Booked::new(io, ledger.clone());
    let service = Multiplexed {
        service,
        connection: Arc::clone(&connection),
        streams: streams.clone(),
        ledger: ledger.clone(),
    };
    let mut serving = builder::<E>(streams.executor(), config).serve_connection(TokioIo::new(io), service);
    // As with HTTP/1: what has come, but was not told of yet, is not idleness.
    let mut turn = pin!(tokio::task::yield_now());
    let mut finishing = false;
    let mut idle = false;
    let outcome = poll_fn(|cx| {
        connection.listen(cx.waker());
        streams.reap(cx);
        let order = connection.order();
        if order >= Order::Close {
            return Poll::Ready(Outcome::Ordered);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = Pin::new(&mut serving).poll(cx);
            if order < Order::Retire || finishing || polled.is_ready() || turn.as_mut().poll(cx).is_pending()
            {
                return polled;
            }
            finishing = true;
            idle = connection.phase() == Phase::Idle;
            if idle {
                // The client's time to answer the notice begins.
                connection.set_phase(Phase::Idle);
            }
            Pin::new(&mut serving).graceful_shutdown();
            Pin::new(&mut serving).poll(cx)
        }));
        match polled {
            Ok(Poll::Pending) => {
                if !connection.sending.is_waiting() {
                    ledger.settle();
                }
                Poll::Pending
            }
            Ok(Poll::Ready(served)) => Poll::Ready(Outcome::Served(served)),
            Err(panic) => Poll::Ready(Outcome::Panicked(message(&*panic))),
        }
    })
    .await;
    let broken_off = matches!(outcome, Outcome::Served(Ok(()))) && ledger.break_off();
    let (phase, ending) = (connection.standing(), ledger.ending());
    streams.end().await;
    ledger.close();
    match outcome {
        // Reset when the socket is dropped.
        Outcome::Ordered if connection.order() == Order::Abort => {
            connection.end(EventKind::ConnectionAborted { phase });
        }
        Outcome::Ordered => {
            let overdue = connection.overdue().event();
            connection.end(overdue.unwrap_or(EventKind::ConnectionClosed));
        }
        Outcome::Panicked(message) => connection.end(EventKind::HandlerPanicked { message }),
        Outcome::Served(Ok(())) if idle && !broken_off && connection.overdue() == Overdue::Idle => {
            connection.end(EventKind::IdleTimeout);
        }
        Outcome::Served(Ok(())) => connection.end(ending),
        Outcome::Served(Err(error)) => connection.end(failed(&error, ending, phase)),
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

/// What hyper's error means. `ending` is what the frames say.
fn failed(error: &hyper::Error, ending: EventKind, phase: Phase) -> EventKind {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let codec = causes.find_map(|cause| cause.downcast_ref::<::h2::Error>());
    match (ending, codec) {
        // A client that does not answer a PING.
        _ if error.is_timeout() && phase == Phase::Idle => EventKind::IdleTimeout,
        _ if error.is_timeout() => EventKind::ClientDisconnected { phase },
        (told @ EventKind::RequestParseError { .. }, _) => told,
        (_, Some(codec)) if codec.is_library() && !codec.is_io() => {
            EventKind::RequestParseError { reason: codec.to_string() }
        }
        (_, Some(_) | None) => EventKind::ClientDisconnected { phase },
    }
}
