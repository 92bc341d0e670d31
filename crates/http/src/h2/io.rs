//! The socket of a connection that speaks HTTP/2, with the book kept about it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ledger::{Departure, Ledger};
use crate::io::Watched;

/// Shows every byte that passes to the ledger.
#[derive(Debug)]
pub(crate) struct Booked {
    io: Watched,
    ledger: Ledger,
}

impl Booked {
    pub(crate) fn new(io: Watched, ledger: Ledger) -> Self {
        Self { io, ledger }
    }
}

impl AsyncRead for Booked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        match &buf.filled()[before..] {
            [] => this.ledger.leave(if read.is_ok() { Departure::Ended } else { Departure::Lost }),
            bytes => this.ledger.read(bytes),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Booked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, buf));
        match &written {
            Ok(written) => this.ledger.written(&buf[..*written]),
            Err(_) => this.ledger.leave(Departure::Lost),
        }
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs));
        match &written {
            Ok(written) => {
                let mut left = *written;
                for buf in bufs {
                    let taken = left.min(buf.len());
                    this.ledger.written(&buf[..taken]);
                    left -= taken;
                }
            }
            Err(_) => this.ledger.leave(Departure::Lost),
        }
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
