//! A connection that speaks HTTP/1.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use crate::connection::Connection;
use crate::end::{Outcome, end};
use crate::exchange::Followed;
use crate::io::Watched;
use crate::phase::{Order, Phase};
use crate::{ConnectionService, ServerConfig};

/// How many header fields hyper takes when it is not told.
const HYPERS_HEADERS: usize = 100;

/// hyper's settings for every connection of a server.
pub(crate) fn protocol(config: &ServerConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's own header timeout would arm and drop a timer with every request; the table's sweep does it instead.
    builder
        .header_read_timeout(None)
        .max_buf_size(config.max_head_size.max(8 * 1024))
        .max_header_size(config.max_head_size);
    if config.max_headers != HYPERS_HEADERS {
        // Asked for a number, even its own, hyper fills two tables of that size for each request.
        builder.max_headers(config.max_headers);
    }
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
    let mut turned = false;
    let mut finishing = Finishing::No;
    let outcome = poll_fn(|cx| {
        connection.listen(cx.waker());
        let order = connection.order();
        if order >= Order::Close {
            return Poll::Ready(Outcome::Ordered);
        }
        // Whatever panics, the service or a body of it, unwinds to here: hyper is not polled again after that.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut polled = Pin::new(&mut serving).poll(cx);
            if order == Order::Finish && finishing == Finishing::No && polled.is_pending() {
                turned = turned || turn.as_mut().poll(cx).is_ready();
                if !turned {
                    return polled;
                }
                finishing = Finishing::at(connection.phase());
                if finishing != Finishing::No {
                    Pin::new(&mut serving).graceful_shutdown();
                    polled = Pin::new(&mut serving).poll(cx);
                }
            }
            polled
        }));
        match polled {
            Ok(polled) => polled.map(Outcome::Served),
            Err(panic) => Poll::Ready(Outcome::Panicked(message(&*panic))),
        }
    })
    .await;
    match serving.into_parts() {
        Some(parts) => {
            let idle = finishing == Finishing::Idle;
            end(parts.io.into_inner(), &connection, outcome, parts.read_buf.len(), idle).await;
        }
        None => connection.hand_over(),
    }
}

/// Whether the connection has been asked to finish, and what it was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finishing {
    /// It has not. A head under way keeps its time: its request is answered, and the answer closes.
    No,
    /// While nothing was asked for.
    Idle,
    /// During an exchange.
    Busy,
}

impl Finishing {
    fn at(phase: Phase) -> Self {
        match phase {
            Phase::Head => Self::No,
            Phase::Idle => Self::Idle,
            Phase::Handler | Phase::Body | Phase::Upload | Phase::Upgraded | Phase::Lingering => Self::Busy,
        }
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("something that is no text").to_owned()
}
