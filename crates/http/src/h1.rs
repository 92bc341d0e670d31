//! A connection that speaks HTTP/1.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use crate::connection::Connection;
use crate::end::{Outcome, end};
use crate::exchange::Followed;
use crate::io::Watched;
use crate::phase::{Order, Phase};
use crate::{ConnectionService, ServerConfig, opening};

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
    let mut service = Followed { service, connection: Arc::clone(&connection) };
    let mut io = Some(io);
    while let Some(awake) = io {
        let Some((resting, same)) = converse(awake, &connection, service, protocol).await else { return };
        service = same;
        io = opening::stir(resting, &connection).await;
    }
}

/// Serves requests until the connection ends, or rests: of one without a request for a while nothing is kept but the socket
/// and the service. hyper's buffers alone take 16 KiB.
async fn converse<S: ConnectionService>(
    io: Watched,
    connection: &Arc<Connection>,
    service: Followed<S>,
    protocol: &http1::Builder,
) -> Option<(Watched, Followed<S>)> {
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
                    if finishing == Finishing::Idle {
                        // hyper may have a part of a next head, which it shows when it has ended.
                        connection.rest();
                    }
                    Pin::new(&mut serving).graceful_shutdown();
                    polled = Pin::new(&mut serving).poll(cx);
                }
            }
            if polled.is_pending() && connection.may_rest() {
                connection.rest();
                Pin::new(&mut serving).graceful_shutdown();
                polled = Pin::new(&mut serving).poll(cx);
                if polled.is_pending() {
                    // There is something that it finishes first. It closes behind that, as its next answer will say.
                    connection.stir();
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
    if matches!(outcome, Outcome::Ordered) {
        // Before hyper lets go of the response.
        connection.tell_of_abort();
    }
    let Some(parts) = serving.into_parts() else {
        connection.hand_over();
        return None;
    };
    let mut io = parts.io.into_inner();
    let unread = begun(parts.read_buf);
    if connection.is_resting() && matches!(outcome, Outcome::Served(Ok(()))) && io.gone().is_none() {
        let rests = finishing == Finishing::No;
        if rests {
            connection.count_rest();
        }
        if rests || !unread.is_empty() {
            io.unread(unread);
            return Some((io, parts.service));
        }
    }
    connection.stir();
    end(io, connection, outcome, unread.len(), finishing == Finishing::Idle).await;
    None
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

/// What has come of a next request: empty lines in front of one are none of it (RFC 9112, section 2.2).
fn begun(mut unread: Bytes) -> Bytes {
    let lines = unread.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    unread.split_off(lines)
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("something that is no text").to_owned()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use ostler_net::Stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::overdue::Overdue;
    use crate::table::{Census, Table};
    use crate::{Discard, RequestBody};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection that is served, and its client.
    fn conversation() -> (Arc<Connection>, UnixStream, tokio::task::JoinHandle<()>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let config = Arc::new(ServerConfig::default());
        let table = Table::new(0, Arc::clone(&config), CancellationToken::new(), Arc::new(Discard));
        let place = Arc::new(Census::default()).admit(1).unwrap();
        let connection = table.enter(None, place);
        let serving = Arc::clone(&connection);
        let driving = tokio::spawn(async move {
            let answer = |_: Request<RequestBody>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"answer"))))
            };
            let io = Watched::new(Stream::from(ours).into(), Arc::clone(&serving));
            drive(io, serving, service_fn(answer), &protocol(&config)).await;
        });
        (connection, theirs, driving)
    }

    async fn answer(client: &mut UnixStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"answer") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "{}", answer.escape_ascii());
        }
        let answer = answer.to_ascii_lowercase();
        assert!(!answer.windows(17).any(|part| part == b"connection: close"), "{}", answer.escape_ascii());
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_connection_that_rests_answers_the_next_request_as_if_nothing_had_been() {
        let (connection, mut client, driving) = conversation();
        for _ in 0..3 {
            client.write_all(REQUEST).await.unwrap();
            answer(&mut client).await;
            connection.lull();
            until(|| connection.is_resting()).await;
        }
        client.write_all(&REQUEST[..7]).await.unwrap();
        until(|| !connection.is_resting()).await;
        client.write_all(&REQUEST[7..]).await.unwrap();
        answer(&mut client).await;
        connection.lull();
        until(|| connection.is_resting()).await;
        drop(client);
        driving.await.unwrap();
        assert!(connection.is_told());
    }

    #[tokio::test]
    async fn a_connection_in_the_middle_of_something_does_not_rest() {
        let (connection, mut client, driving) = conversation();
        client.write_all(&REQUEST[..7]).await.unwrap();
        until(|| connection.phase() == Phase::Head).await;
        connection.lull();
        client.write_all(&REQUEST[7..]).await.unwrap();
        answer(&mut client).await;
        // Asked before, it rests as soon as nothing is under way.
        until(|| connection.is_resting()).await;
        connection.give(Order::Finish);
        driving.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_comes_at_the_last_moment_is_no_idleness() {
        let (connection, mut client, driving) = conversation();
        // Not a turn passes between these two.
        client.write_all(REQUEST).await.unwrap();
        connection.expire(Overdue::Idle, Order::Finish);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"answer"), "{}", answer.escape_ascii());
        drop(client);
        driving.await.unwrap();
        assert_eq!(connection.overdue(), Overdue::No);
    }

    /// hyper ends at once when it is asked to while nothing is under way. If it ever should not, what it serves then is served by
    /// one that closes.
    #[tokio::test]
    async fn a_request_takes_the_wish_to_rest_away() {
        let (connection, mut client, driving) = conversation();
        client.write_all(REQUEST).await.unwrap();
        answer(&mut client).await;
        connection.rest();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(10), client.read_to_end(&mut rest))
            .await
            .expect("it stays open")
            .unwrap();
        driving.await.unwrap();
        assert!(!connection.is_resting());
    }
}
