//! The socket as hyper sees it, with an eye on the connection's phase.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use ostler_net::Stream;

use crate::connection::{Connection, Order, Phase};

/// Marks the first byte of a head, and resets the socket when the connection is aborted.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TokioIo<Stream>,
    connection: Arc<Connection>,
}

impl Watched {
    pub(crate) fn new(stream: Stream, connection: Arc<Connection>) -> Self {
        Self { stream: TokioIo::new(stream), connection }
    }
}

impl Read for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        // An end of file passes here too; the connection closes then and the phase with it.
        if this.connection.phase() == Phase::Idle {
            this.connection.set_phase(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Watched {
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
        if self.connection.order() == Order::Abort
            && let Stream::Tcp(stream) = self.stream.inner()
        {
            // Without it the client would take the cut response for a whole one. A socket that cannot be told so is gone
            // already.
            let _ = stream.set_zero_linger();
        }
    }
}
