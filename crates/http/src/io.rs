//! The socket as HTTP sees it, with an eye on the connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ostler_net::{Left, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{CHUNKED, Connection, ENDED, FRESH, LOST};
use crate::overdue::Overdue;
use crate::phase::{Order, Phase};
use crate::site::Writing;
use crate::transport::Transport;
use crate::upload::Stage;
use crate::{EventKind, Fault, Protocol, SendSite};

/// What a socket is taken to have room for when it can be written to after a wait, in bytes: TLS, which holds back some
/// records, does not tell what becomes of them.
const RECORD: usize = 16 * 1024;

/// Marks the first byte of a head, remembers how the client left and what could not be sent, and resets the socket when
/// the connection is aborted.
///
/// There is one for each connection and it lives as long as the connection does, upgraded or not: its drop is the end.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Transport,
    connection: Arc<Connection>,
    /// Whether the last read had to wait: it will be told when the client leaves.
    listens: bool,
    /// How the client left, once it has.
    gone: Option<Gone>,
    /// What could not be sent, once something could not.
    unsent: Option<(SendSite, Fault)>,
    /// What waits for the client to read, while something does.
    blocked: Option<SendSite>,
    /// Whether something was written since the last flush.
    unflushed: bool,
    /// How many bytes of a head are left of a write that took a part of it.
    head_left: usize,
    /// Whether it is reset rather than closed.
    reset: bool,
}

/// How a client left, as things stood when reading told so: hyper lets go of the response before it says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) phase: Phase,
    /// The error, a reset as a rule. None if it sent its last byte.
    pub(crate) error: Option<Fault>,
    /// The part of a response that was next, if one was not finished.
    pub(crate) site: Option<SendSite>,
}

impl Watched {
    pub(crate) fn new(stream: Transport, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            listens: false,
            gone: None,
            unsent: None,
            blocked: None,
            unflushed: false,
            head_left: 0,
            reset: false,
        }
    }

    /// Gives the first bytes back, to be read again.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.stream.unread(bytes);
    }

    /// How the client left, if reading has told so.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.gone
    }

    /// What could not be sent, if writing has told so.
    pub(crate) fn unsent(&self) -> Option<(SendSite, Fault)> {
        self.unsent
    }

    /// Its drop will reset the socket: what is cut short must be seen as cut, and what nobody reads be forgotten.
    pub(crate) fn reset(&mut self) {
        self.reset = true;
    }

    /// Writes a short answer if the socket takes it at once and nothing waits in front of it.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> bool {
        self.blocked.is_none() && self.stream.try_write(bytes).is_ok_and(|count| count == bytes.len())
    }

    /// Whether the client is still there, where reading does not show it.
    #[cold]
    fn look(&mut self) -> io::Result<()> {
        let connection = &self.connection;
        let whole = connection.upload.stage() == Stage::Over;
        connection.vigil.rest();
        if self.listens && whole {
            connection.vigil.spare(connection.since());
            return Ok(());
        }
        let error = match self.stream.socket().left() {
            // hyper takes a client that closes its side during an exchange for one that is gone, once it has read the whole
            // request. Before, that close may be the request's end.
            Some(Left::Half) if whole => None,
            Some(Left::Whole(error)) => error,
            Some(Left::Half) | None => return Ok(()),
        };
        self.leave(error.as_ref().map(Fault::from));
        Err(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }

    /// Remembers how the client left, and during what.
    fn leave(&mut self, error: Option<Fault>) {
        let phase = self.connection.phase();
        let next = (phase == Phase::Body).then(|| self.writing().expected());
        self.gone.get_or_insert(Gone { phase, error, site: self.blocked.or(next) });
    }

    fn writing(&self) -> Writing {
        let response = self.connection.response();
        Writing {
            answered: self.connection.phase() != Phase::Handler,
            fresh: response & FRESH != 0,
            head_left: self.head_left,
            chunked: response & CHUNKED != 0,
            ended: response & ENDED != 0,
        }
    }

    /// The client has to read before anything more can be sent.
    fn block(&mut self, site: impl FnOnce(Writing) -> SendSite) {
        if self.blocked.is_none() {
            self.blocked = Some(site(self.writing()));
        }
        self.connection.sending.wait(self.connection.table().tick());
    }

    /// All that was written is on its way.
    fn flushed(&mut self) {
        self.unflushed = false;
        if self.blocked.take().is_some() {
            self.connection.sending.rest();
            // hyper was done with the response long before the client.
            if matches!(self.connection.phase(), Phase::Idle | Phase::Upload) {
                self.connection.begin_anew();
            }
        }
    }

    /// What a write has come to. `bufs` is what it was given.
    fn wrote(&mut self, polled: &Poll<io::Result<usize>>, bufs: &[IoSlice<'_>]) {
        match polled {
            Poll::Ready(Ok(count)) => {
                let response = self.connection.response();
                if response & FRESH != 0 {
                    self.connection.set_response(response & !FRESH);
                    // All that hyper writes before a body is in the first buffer.
                    self.head_left = bufs.first().map_or(0, |head| head.len().saturating_sub(*count));
                } else if self.head_left > 0 {
                    self.head_left = self.head_left.saturating_sub(*count);
                }
                self.unflushed = true;
                let (sending, tick) = (&self.connection.sending, self.connection.table().tick());
                match self.connection.phase() {
                    _ if self.blocked.is_none() => {}
                    // Nobody has to flush it.
                    Phase::Upgraded => sending.pass(*count),
                    Phase::Idle
                    | Phase::Head
                    | Phase::Handler
                    | Phase::Body
                    | Phase::Upload
                    | Phase::Lingering => sending.go_on(*count, tick),
                }
            }
            Poll::Pending => self.block(|writing| writing.site(bufs)),
            Poll::Ready(Err(error)) => self.unsent = Some((self.writing().site(bufs), error.into())),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.listens = polled.is_pending();
        let read = ready!(polled);
        if buf.filled().len() > before {
            match this.connection.phase() {
                // Over HTTP/2 not every byte is a request's.
                Phase::Idle if this.connection.protocol() == Protocol::Http2 => {}
                Phase::Idle => this.connection.set_phase(Phase::Head),
                // It is alive, as far as that goes.
                Phase::Upload => this.connection.begin_anew(),
                Phase::Handler | Phase::Body => this.connection.vigil.resume(),
                Phase::Head | Phase::Upgraded | Phase::Lingering => {}
            }
        } else {
            this.leave(read.as_ref().err().map(Fault::from));
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(&polled, &[IoSlice::new(buf)]);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(&polled, bufs);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called once all that there was has been written, each time that hyper is polled. Without TLS there is nothing left to do then.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.connection.vigil.is_wanted() {
            this.look()?;
        }
        if this.blocked.is_some() && this.stream.is_writable(cx) {
            this.connection.sending.go_on(RECORD, this.connection.table().tick());
        }
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        match &polled {
            Poll::Ready(Ok(())) => this.flushed(),
            Poll::Pending => this.block(Writing::expected),
            Poll::Ready(Err(error)) if this.unflushed => {
                let site = this.blocked.unwrap_or_else(|| this.writing().expected());
                this.unsent = Some((site, error.into()));
            }
            Poll::Ready(Err(_)) => {}
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.connection.is_resting() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let (connection, phase) = (&self.connection, self.connection.phase());
        let aborted = connection.order() == Order::Abort;
        // Nobody else ends an upgraded one for that.
        let stalled = matches!(connection.overdue(), Overdue::WriteProgress | Overdue::WriteRate);
        if (aborted || stalled || self.reset)
            && let Stream::Tcp(stream) = self.stream.socket()
        {
            // Without it the client would take the cut response for a whole one. A socket that cannot be told so is gone
            // already.
            let _ = stream.set_zero_linger();
        }
        // Whatever ended HTTP has been told by now. What is left is what nobody drives: an upgraded connection, or one whose
        // task was dropped.
        let lost = self.unsent.is_some() || self.gone.is_some_and(|gone| gone.error.is_some());
        connection.end(match connection.overdue().event() {
            _ if aborted => EventKind::ConnectionAborted { phase },
            Some(overdue) => overdue,
            None if phase == Phase::Upgraded && !connection.is_handed_over() => EventKind::UpgradeFailed,
            None if lost => EventKind::ClientDisconnected { phase },
            None if matches!(phase, Phase::Handler | Phase::Body) => {
                EventKind::HandlerFailed { message: LOST.to_owned() }
            }
            None => EventKind::ConnectionClosed,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::sweep::Sweep;
    use crate::table::{Census, Table};
    use crate::transport::encrypted;
    use crate::{Discard, ServerConfig};

    fn watched(stream: Transport) -> (Watched, Arc<Connection>) {
        let table =
            Table::new(0, Arc::new(ServerConfig::default()), CancellationToken::new(), Arc::new(Discard));
        let connection = table.enter(None, Arc::new(Census::default()).admit(1).unwrap());
        (Watched::new(stream, Arc::clone(&connection)), connection)
    }

    fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Writes, and flushes what was written, until one of them has to wait. How many bytes were taken.
    fn fill(io: &mut Watched) -> usize {
        let mut written = 0;
        loop {
            match now(|cx| Pin::new(&mut *io).poll_write(cx, &[7; 4096])) {
                Poll::Ready(count) => written += count.unwrap(),
                Poll::Pending => return written,
            }
            if now(|cx| Pin::new(&mut *io).poll_flush(cx)).map(Result::unwrap).is_pending() {
                return written;
            }
        }
    }

    /// TLS takes bytes that the socket does not: only the flush shows that the client does not read.
    #[tokio::test]
    async fn what_tls_holds_back_waits_for_the_client() {
        let (stream, mut client) = encrypted().await;
        let (mut io, connection) = watched(stream);
        let written = fill(&mut io);
        assert!(connection.sending.is_waiting());
        connection.lull();
        assert!(!connection.may_rest(), "something is still to be sent");
        let mut rest = vec![0; written];
        let reading = client.stream.read_exact(&mut rest);
        let flushing = poll_fn(|cx| Pin::new(&mut io).poll_flush(cx));
        let (read, flushed) = tokio::join!(reading, flushing);
        read.unwrap();
        flushed.unwrap();
        assert!(!connection.sending.is_waiting());
    }

    #[tokio::test]
    async fn what_tls_holds_back_when_the_client_leaves_was_not_sent() {
        let (stream, client) = encrypted().await;
        let (mut io, _connection) = watched(stream);
        fill(&mut io);
        drop(client);
        poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await.unwrap_err();
        assert_eq!(io.unsent().map(|(site, _)| site), Some(SendSite::SendBody));
    }

    /// hyper is done with a response long before its client is.
    #[tokio::test]
    async fn a_connection_is_idle_from_when_its_response_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (mut io, connection) = watched(Stream::from(ours).into());
        let written = fill(&mut io);
        let sweep = Sweep::new(&ServerConfig::default());
        for _ in 0..3 {
            connection.table().sweep(&sweep);
        }
        assert_eq!(connection.age(connection.table().tick()), 3);
        theirs.read_exact(&mut vec![0; written]).await.unwrap();
        poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await.unwrap();
        assert_eq!(connection.age(connection.table().tick()), 0);
    }
}
