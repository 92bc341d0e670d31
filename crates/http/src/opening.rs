//! The first bytes of a connection, which say what is spoken on it.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ostler_net::Stream;
use ostler_tls::Tls;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::io::Watched;
use crate::phase::{Order, Phase};
use crate::{EventKind, Protocol};

/// What a client of HTTP/2 says first (RFC 9113, section 3.4). No request of HTTP/1 begins with it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As much as hyper's first read would take: with less, a longer first request would cost a second read.
const FIRST_READ: usize = 8 * 1024;

/// Shakes hands if there is something to shake hands with, and finds out what is spoken. None if the connection has ended
/// meanwhile; its end has been told then.
///
/// Without TLS it costs no system call: what is looked at is read again out of memory.
pub(crate) async fn open(
    stream: Stream,
    connection: &Arc<Connection>,
    tls: Option<&Tls>,
) -> Option<(Watched, Protocol)> {
    if let Some(tls) = tls {
        return encrypted(stream, connection, tls).await;
    }
    let mut io = Watched::new(stream.into(), Arc::clone(connection));
    let mut held = Vec::new();
    let bytes = obey(connection, |cx| first_bytes(&mut io, &mut held, cx)).await?;
    let protocol = match verdict(&bytes) {
        Verdict::Http2 => Protocol::Http2,
        Verdict::Http1 | Verdict::Open => Protocol::Http1,
    };
    io.unread(bytes);
    Some((io, protocol))
}

/// Waits for the next request on a connection that rests. None if the connection has ended meanwhile; its end has been told
/// then.
pub(crate) async fn stir(mut io: Watched, connection: &Connection) -> Option<Watched> {
    let bytes = obey(connection, |cx| some_bytes(&mut io, cx)).await;
    connection.stir();
    if bytes.is_none() && connection.order() < Order::Abort {
        // Over TLS the end is a message. There is room for it, since all else was sent.
        let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut io).poll_shutdown(cx))).await;
    }
    io.unread(bytes?);
    Some(io)
}

async fn encrypted(stream: Stream, connection: &Arc<Connection>, tls: &Tls) -> Option<(Watched, Protocol)> {
    // Until its first byte it is a client without a request, like any other.
    {
        let mut readable = pin!(stream.readable());
        // What a failure means the handshake finds out.
        let _ = obey(connection, |cx| readable.as_mut().poll(cx)).await?;
    }
    if has_left_in_silence(&stream) {
        connection.end(EventKind::ConnectionClosed);
        return None;
    }
    connection.set_phase(Phase::Head);
    let mut accepting = pin!(tls.accept(stream));
    match obey(connection, |cx| accepting.as_mut().poll(cx)).await? {
        Ok(stream) => {
            connection.set_phase(Phase::Idle);
            let protocol = if stream.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
            Some((Watched::new(stream.into(), Arc::clone(connection)), protocol))
        }
        Err(error) => {
            connection.end(match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    EventKind::ClientDisconnected { phase: Phase::Head }
                }
                _ => EventKind::HandshakeFailed { reason: error.to_string() },
            });
            None
        }
    }
}

/// Whether a client has closed its side without a byte, which is an ordinary end.
fn has_left_in_silence(stream: &Stream) -> bool {
    let (mut byte, flags) = ([0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    let peeked = match stream {
        Stream::Tcp(stream) => recv(stream, &mut byte, flags),
        Stream::Unix(stream) => recv(stream, &mut byte, flags),
    };
    peeked.is_ok_and(|(_, count)| count == 0)
}

/// Polls until it is ready or an order ends the connection, whose end is told then. One that is to finish and of which
/// nothing has come ends.
async fn obey<T>(connection: &Connection, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let mut turn = pin!(tokio::task::yield_now());
    let value = poll_fn(|cx| {
        connection.listen(cx.waker());
        if connection.order() >= Order::Close {
            return Poll::Ready(None);
        }
        if let Poll::Ready(value) = poll(cx) {
            return Poll::Ready(Some(value));
        }
        // Bytes that have come, but that nobody has told us of yet, are brought to light by one turn of the runtime.
        let finishes = connection.order() == Order::Finish && connection.phase() == Phase::Idle;
        if finishes && turn.as_mut().poll(cx).is_ready() {
            return Poll::Ready(match poll(cx) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            });
        }
        Poll::Pending
    })
    .await;
    if value.is_none() {
        end(connection);
    }
    value
}

/// Tells why a connection ends before anything was spoken on it.
fn end(connection: &Connection) {
    connection.end(match connection.overdue().event() {
        _ if connection.order() == Order::Abort => EventKind::ConnectionAborted { phase: connection.phase() },
        overdue => overdue.unwrap_or(EventKind::ConnectionClosed),
    });
}

/// Reads what there is. None of it is the end.
fn some_bytes(io: &mut Watched, cx: &mut Context<'_>) -> Poll<Bytes> {
    let mut space = [const { MaybeUninit::uninit() }; FIRST_READ];
    let mut buf = ReadBuf::uninit(&mut space);
    // How the client left is remembered by the socket's wrapper, and found out again by whoever reads next.
    let _ = ready!(Pin::new(&mut *io).poll_read(cx, &mut buf));
    Poll::Ready(Bytes::copy_from_slice(buf.filled()))
}

/// Reads until it is known what is spoken, or the client has ended.
fn first_bytes(io: &mut Watched, held: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<Bytes> {
    loop {
        let bytes = ready!(some_bytes(io, cx));
        let ended = bytes.is_empty();
        if held.is_empty() && (ended || verdict(&bytes) != Verdict::Open) {
            return Poll::Ready(bytes);
        }
        held.extend_from_slice(&bytes);
        if ended || verdict(held) != Verdict::Open {
            return Poll::Ready(Bytes::from(std::mem::take(held)));
        }
    }
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Http1,
    Http2,
    /// Too few to say.
    Open,
}

pub(crate) fn verdict(bytes: &[u8]) -> Verdict {
    let length = bytes.len().min(PREFACE.len());
    if bytes[..length] != PREFACE[..length] {
        Verdict::Http1
    } else if length == PREFACE.len() {
        Verdict::Http2
    } else {
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::table::{Census, Table};
    use crate::transport::encrypted;
    use crate::{Discard, ServerConfig};

    /// Without the goodbye of TLS its client would have to take the end for an attack.
    #[tokio::test]
    async fn a_resting_client_of_tls_is_told_of_the_end() {
        for order in [Order::Finish, Order::Close] {
            let (stream, mut client) = encrypted().await;
            let table =
                Table::new(0, Arc::new(ServerConfig::default()), CancellationToken::new(), Arc::new(Discard));
            let connection = table.enter(None, Arc::new(Census::default()).admit(1).unwrap());
            connection.rest();
            connection.give(order);
            assert!(stir(Watched::new(stream, Arc::clone(&connection)), &connection).await.is_none());
            assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
        }
    }

    #[test]
    fn only_the_whole_preface_is_http_2_and_every_other_byte_is_http_1() {
        for length in 0..PREFACE.len() {
            assert_eq!(verdict(&PREFACE[..length]), Verdict::Open, "{length}");
            let mut other = PREFACE[..length].to_vec();
            other.push(PREFACE[length] ^ 1);
            assert_eq!(verdict(&other), Verdict::Http1, "{length}");
        }
        assert_eq!(verdict(PREFACE), Verdict::Http2);
        assert_eq!(verdict(&[PREFACE, b"\0"].concat()), Verdict::Http2);
        for request in ["GET / HTTP/1.1\r\n", "POST /", "PUT", "P ", "PRI * HTTP/1.1\r\n"] {
            assert_eq!(verdict(request.as_bytes()), Verdict::Http1, "{request}");
        }
    }
}
