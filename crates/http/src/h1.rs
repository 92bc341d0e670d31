//! A connection that speaks HTTP/1.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use crate::connection::{Connection, Order, Overdue, Phase};
use crate::exchange::Followed;
use crate::io::{Gone, Watched};
use crate::{ConnectionService, EventKind, Fault, SendSite, ServerConfig};

/// How the server's part of a connection ended.
enum Outcome {
    /// hyper has ended it.
    Served(Result<(), hyper::Error>),
    /// The server wanted it closed or reset.
    Ordered,
}

/// hyper's settings for every connection of a server.
pub(crate) fn protocol(config: &ServerConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's own header timeout would arm and drop a timer with every request; the table's sweep does it instead.
    builder
        .header_read_timeout(None)
        .max_headers(config.max_headers)
        .max_buf_size(config.max_head_size.max(8 * 1024))
        .max_header_size(config.max_head_size);
    builder
}

/// Serves `io` until it ends, or until an order ends it.
pub(crate) async fn drive<S: ConnectionService>(
    io: Watched,
    connection: Arc<Connection>,
    service: S,
    protocol: &http1::Builder,
) {
    let service = Followed { service, connection: Arc::clone(&connection) };
    let mut serving = protocol.serve_connection(TokioIo::new(io), service).with_upgrades();
    // A request that has come, but that nobody has told us of yet, is not idleness: one turn of the runtime brings it to
    // light, and only then is the connection asked to end.
    let mut turn = pin!(tokio::task::yield_now());
    let mut finishing = false;
    let mut idle = false;
    let outcome = poll_fn(|cx| {
        connection.listen(cx.waker());
        match connection.order() {
            Order::Finish if !finishing && turn.as_mut().poll(cx).is_ready() => {
                if let Poll::Ready(result) = Pin::new(&mut serving).poll(cx) {
                    return Poll::Ready(Outcome::Served(result));
                }
                finishing = true;
                idle = connection.phase() == Phase::Idle;
                Pin::new(&mut serving).graceful_shutdown();
            }
            Order::Serve | Order::Finish => {}
            Order::Close | Order::Abort => return Poll::Ready(Outcome::Ordered),
        }
        Pin::new(&mut serving).poll(cx).map(Outcome::Served)
    })
    .await;
    let Some(parts) = serving.into_parts() else { return };
    let io = parts.io.into_inner();
    match outcome {
        Outcome::Served(Ok(())) => match (connection.overdue(), io.gone()) {
            (Overdue::Idle, _) if idle => connection.end(EventKind::IdleTimeout),
            (_, Some(Gone::Lost)) => {
                connection.end(EventKind::ClientDisconnected { phase: connection.phase() });
            }
            (_, Some(Gone::Ended) | None) => connection.end(EventKind::ConnectionClosed),
        },
        Outcome::Served(Err(error)) => connection.end(ending(&error, connection.phase())),
        Outcome::Ordered => match connection.overdue() {
            _ if connection.order() == Order::Abort => {}
            Overdue::Idle => connection.end(EventKind::IdleTimeout),
            Overdue::Head => connection.end(EventKind::HeaderTimeout),
            Overdue::No => {}
        },
    }
}

/// What hyper's error means.
fn ending(error: &hyper::Error, phase: Phase) -> EventKind {
    if error.is_parse_too_large() {
        EventKind::HeadersTooLarge
    } else if error.is_parse() {
        EventKind::RequestParseError { reason: error.to_string() }
    } else if error.is_timeout() {
        EventKind::HeaderTimeout
    } else if error.is_incomplete_message() {
        EventKind::ClientDisconnected { phase }
    } else if error.is_user() {
        EventKind::HandlerFailed { message: chain(error) }
    } else if phase == Phase::Body {
        EventKind::SendFailed { site: SendSite::SendResponse, error: fault(error) }
    } else {
        EventKind::ClientDisconnected { phase }
    }
}

/// The error and its causes.
fn chain(error: &hyper::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// What the operating system said, if it said something.
fn fault(error: &hyper::Error) -> Fault {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let io = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).next();
    io.map_or(Fault::from(io::ErrorKind::Other), Fault::from)
}
