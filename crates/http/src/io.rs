//! The socket as hyper sees it, with an eye on the connection's phase.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ostler_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{Connection, Order, Phase};
use crate::transport::Transport;
use crate::{EventKind, Protocol};

/// Marks the first byte of a head, remembers how the client left, and resets the socket when the connection is aborted.
///
/// There is one for each connection and it lives as long as the connection does, upgraded or not: its drop is the end.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Transport,
    connection: Arc<Connection>,
    /// How the client left, once it has.
    gone: Option<Gone>,
}

/// How a client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It sent its last byte.
    Ended,
    /// An error: a reset, as a rule.
    Lost,
}

impl Watched {
    pub(crate) fn new(stream: Transport, connection: Arc<Connection>) -> Self {
        Self { stream, connection, gone: None }
    }

    /// Gives the first bytes back, to be read again.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.stream.unread(bytes);
    }

    /// How the client left, if reading has told so.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.gone
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            if this.connection.phase() == Phase::Idle && this.connection.protocol() == Protocol::Http1 {
                this.connection.set_phase(Phase::Head);
            }
        } else {
            this.gone = Some(if read.is_ok() { Gone::Ended } else { Gone::Lost });
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.connection.order() == Order::Abort {
            if let Stream::Tcp(stream) = self.stream.socket() {
                // Without it the client would take the cut response for a whole one. A socket that cannot be told so is
                // gone already.
                let _ = stream.set_zero_linger();
            }
            self.connection.end(EventKind::ConnectionAborted { phase: self.connection.phase() });
        }
        // Whatever else was known has been told by now.
        self.connection.end(EventKind::ConnectionClosed);
    }
}
