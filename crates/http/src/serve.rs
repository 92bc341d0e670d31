//! One connection, from its first byte to its last.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use ostler_net::Stream;
use ostler_scope::BoxError;

use crate::ServerConfig;
use crate::connection::{Connection, Order};
use crate::exchange::Followed;
use crate::io::Watched;

/// A hyper service for one connection, on one thread. Every service whose body is [`Bytes`] is one.
pub trait ConnectionService:
    Service<Request<Incoming>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: 'static> + 'static
{
    /// The response body.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + 'static;
}

impl<S, B> ConnectionService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: 'static> + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    type Body = B;
}

/// How many header fields hyper takes when it is not told.
const HYPERS_HEADERS: usize = 100;

/// The protocol's settings for every connection of a server.
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

/// Serves `stream` until it ends, or until an order ends it.
pub(crate) async fn drive<S: ConnectionService>(
    stream: Stream,
    connection: Arc<Connection>,
    service: S,
    protocol: Arc<http1::Builder>,
) {
    let io = Watched::new(stream, Arc::clone(&connection));
    let service = Followed { service, connection: Arc::clone(&connection) };
    let mut serving = pin!(protocol.serve_connection(io, service).with_upgrades());
    // A request that has come, but that nobody has told us of yet, is not idleness: one turn of the runtime brings it to
    // light, and only then is the connection asked to end.
    let mut turn = pin!(tokio::task::yield_now());
    let mut finishing = false;
    let result = poll_fn(|cx| {
        connection.listen(cx.waker());
        match connection.order() {
            Order::Finish if !finishing && turn.as_mut().poll(cx).is_ready() => {
                if let Poll::Ready(result) = serving.as_mut().poll(cx) {
                    return Poll::Ready(Some(result));
                }
                finishing = true;
                serving.as_mut().graceful_shutdown();
            }
            Order::Serve | Order::Retire | Order::Finish => {}
            Order::Close | Order::Abort => return Poll::Ready(None),
        }
        serving.as_mut().poll(cx).map(Some)
    })
    .await;
    match result {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(peer = ?connection.peer(), %error, "connection failed"),
        None => tracing::debug!(peer = ?connection.peer(), phase = ?connection.phase(), "connection closed"),
    }
}
