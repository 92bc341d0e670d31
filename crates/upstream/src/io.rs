//! The socket of a connection to a server, with patience for one that answers early.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ostler_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server may answer before it has read the whole request, and close. What is written then is lost, but its answer has
/// come and can be read; hyper would give up at the first write that fails.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: Stream,
    server: Server,
}

/// What the server still does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// It reads and writes.
    Listens,
    /// It reads no more. What is written is dropped until what it has said has been read.
    Talks,
    /// It has said everything.
    Gone,
}

impl Patient {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, server: Server::Listens }
    }

    /// The outcome of writing `all` bytes, of which `written` went out.
    fn written(&mut self, written: io::Result<usize>, all: usize) -> io::Result<usize> {
        match (written, self.server) {
            (Err(error), Server::Listens) if has_closed(&error) => {
                self.server = Server::Talks;
                Ok(all)
            }
            (Err(error), Server::Talks) if has_closed(&error) => Ok(all),
            (written, Server::Listens | Server::Talks | Server::Gone) => written,
        }
    }
}

fn has_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Patient {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.remaining();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        if read.is_err() || buf.remaining() == before {
            this.server = Server::Gone;
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        Poll::Ready(this.written(written, buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(this.written(written, bufs.iter().map(|buf| buf.len()).sum()))
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
