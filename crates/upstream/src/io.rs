//! The socket of a connection to a server, with patience for one that answers early and another try for one that had
//! closed before it was asked.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use ostler_net::{Address, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::link::Link;

/// A kept copy that needed more room than this gives it back.
const KEPT: usize = 4096;

/// A socket that outlives two ends of a connection that are nobody's fault.
///
/// A server may answer before it has read the whole request, and close. What is written then is lost, but its answer has
/// come and can be read; hyper would give up at the first write that fails.
///
/// A server may close an unused connection just as a request goes out on it. If the request may be repeated, it is
/// written once more to a new connection, and hyper never knows: a copy of the bytes costs next to nothing, a copy of
/// the request as hyper wants it costs as much as parsing it did.
#[derive(Debug)]
pub(crate) struct Persistent {
    stream: Stream,
    server: Server,
    address: Address,
    connect_timeout: Duration,
    /// Says whether the request that is written may be repeated.
    link: Arc<Link>,
    /// What was written of a request that may be repeated.
    request: Vec<u8>,
    again: Again,
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

/// How far the repetition of a request is.
enum Again {
    /// There is none.
    No,
    Connecting(BoxFuture<'static, io::Result<Stream>>),
    /// So many bytes of the request have been written again.
    Writing(usize),
}

impl Persistent {
    pub(crate) fn new(stream: Stream, address: Address, connect_timeout: Duration, link: Arc<Link>) -> Self {
        let (server, again) = (Server::Listens, Again::No);
        Self { stream, server, address, connect_timeout, link, request: Vec::new(), again }
    }

    /// The outcome of writing `bufs`.
    fn written(&mut self, written: io::Result<usize>, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let written = match (written, self.server) {
            (Err(error), Server::Listens) if has_closed(&error) => {
                self.server = Server::Talks;
                bufs.iter().map(|buf| buf.len()).sum()
            }
            (Err(error), Server::Talks) if has_closed(&error) => bufs.iter().map(|buf| buf.len()).sum(),
            (written, Server::Listens | Server::Talks | Server::Gone) => written?,
        };
        if self.link.is_repeatable() {
            let mut left = written;
            for buf in bufs {
                let taken = left.min(buf.len());
                self.request.extend_from_slice(&buf[..taken]);
                left -= taken;
            }
        }
        Ok(written)
    }

    /// Whether the server closed without a word on a request that may be repeated. It may only once.
    fn begin_again(&mut self) -> bool {
        if self.request.is_empty() || !self.link.is_repeatable() {
            return false;
        }
        self.link.set_repeatable(false);
        let (address, patience) = (self.address.clone(), self.connect_timeout);
        self.again = Again::Connecting(Box::pin(async move {
            tokio::time::timeout(patience, Stream::connect(&address)).await?
        }));
        true
    }

    /// Goes on with the repetition, if there is one.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.again {
                Again::No => return Poll::Ready(Ok(())),
                Again::Connecting(connecting) => {
                    let connected = ready!(connecting.as_mut().poll(cx));
                    self.again = Again::No;
                    self.stream = connected?;
                    self.server = Server::Listens;
                    self.again = Again::Writing(0);
                }
                Again::Writing(written) => {
                    while *written < self.request.len() {
                        *written +=
                            ready!(Pin::new(&mut self.stream).poll_write(cx, &self.request[*written..]))?;
                    }
                    self.again = Again::No;
                    self.forget();
                }
            }
        }
    }

    /// The request will not be repeated any more.
    fn forget(&mut self) {
        self.link.set_repeatable(false);
        self.request.clear();
        self.request.shrink_to(KEPT);
    }
}

fn has_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl std::fmt::Debug for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::No => "No",
            Self::Connecting(_) => "Connecting",
            Self::Writing(_) => "Writing",
        })
    }
}

impl AsyncRead for Persistent {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_again(cx))?;
            let before = buf.remaining();
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
            if read.is_ok() && buf.remaining() < before {
                if !this.request.is_empty() {
                    this.forget();
                }
                return Poll::Ready(read);
            }
            this.server = Server::Gone;
            if read.as_ref().is_err_and(|error| !has_closed(error)) || !this.begin_again() {
                return Poll::Ready(read);
            }
        }
    }
}

impl AsyncWrite for Persistent {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_again(cx))?;
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(this.written(written, bufs))
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
