//! The accept loop: it ends when it is told to, never because of an error.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ostler_net::{Listener, Stream};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use tokio_util::sync::CancellationToken;

use crate::table::{Census, Place};
use crate::{Event, EventKind, Observer, Protocol, ServerConfig};

/// The answer to a client for which there is no room.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

/// A connection within the limit, with the place it has there.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) stream: Stream,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) place: Place,
}

/// What an accept error means for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// That client went away; the next one may be there already.
    Client,
    /// Out of file descriptors or memory, or something that nobody has thought of: trying at once might spin.
    Ours,
}

/// Accepts connections one at a time and keeps to the limit.
pub(crate) struct Acceptor {
    listener: Listener,
    census: Arc<Census>,
    max_connections: usize,
    /// Whether clients shake hands first: an answer in the clear is none to them.
    encrypted: bool,
    /// How long to wait before the next try when the process or the machine has run out of something.
    backoff: Duration,
    /// Cancelled when it may begin to accept.
    opening: Option<CancellationToken>,
    /// Cancelled when a drain begins.
    closing: CancellationToken,
    observer: Arc<dyn Observer>,
}

impl Acceptor {
    pub(crate) fn new(
        listener: Listener,
        census: Arc<Census>,
        config: &ServerConfig,
        closing: CancellationToken,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (max_connections, backoff) = (config.max_connections, config.accept_backoff);
        let (encrypted, opening) = (config.tls.is_some(), config.opening.clone());
        Self { listener, census, max_connections, encrypted, backoff, opening, closing, observer }
    }

    /// The next connection within the limit, or None once the server closes and nothing is queued any more: a client
    /// whose connection the system had accepted is served, not reset. Where another process accepts on the same socket,
    /// the queue is left to it. Cancel safe.
    pub(crate) async fn next(&self) -> Option<Admitted> {
        if !self.has_opened().await {
            return None;
        }
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.left_to_another() => return None,
                accepted = self.listener.accept() => accepted,
                () = self.closing.cancelled() => self.queued().await?,
            };
            match accepted {
                Ok((stream, peer)) => match self.census.admit(self.max_connections) {
                    Some(place) => return Some(Admitted { stream, peer, place }),
                    None => {
                        refuse(&stream, if self.encrypted { b"" } else { FULL });
                        let limit = self.max_connections;
                        self.tell(peer, EventKind::ConnectionLimitReached { limit });
                    }
                },
                Err(error) => {
                    let by_client = severity(&error) == Blame::Client;
                    self.tell(None, EventKind::AcceptError { error: (&error).into(), by_client });
                    if !by_client {
                        self.pause().await;
                    }
                }
            }
        }
    }

    /// Waits until it may accept; false if it never will.
    async fn has_opened(&self) -> bool {
        let Some(opening) = &self.opening else { return true };
        tokio::select! {
            biased;
            () = opening.cancelled() => true,
            () = self.closing.cancelled() => false,
        }
    }

    /// What is queued that the runtime has not told of: it hears of the first connection after a while one turn late.
    async fn queued(&self) -> Option<io::Result<(Stream, Option<SocketAddr>)>> {
        tokio::task::yield_now().await;
        self.listener.accept().now_or_never()
    }

    /// Lets a moment pass before the next try. A drain that begins meanwhile ends it, and then tries on at the same pace: who is
    /// queued is there to be served.
    async fn pause(&self) {
        let pause = tokio::time::sleep(self.backoff);
        if self.closing.is_cancelled() {
            return pause.await;
        }
        tokio::select! {
            () = pause => {}
            () = self.closing.cancelled() => {}
        }
    }

    /// Resolves when the server closes and another process accepts on the same socket.
    async fn left_to_another(&self) {
        self.closing.cancelled().await;
        if !self.listener.is_handed_over() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells of something that is no connection's.
    pub(crate) fn tell(&self, peer: Option<SocketAddr>, kind: EventKind) {
        self.observer.on(&Event { connection: None, peer, protocol: Protocol::default(), kind });
    }
}

/// What `accept(2)` says of one connection alone, the network's errors among them, is the client's; all else is ours.
fn severity(error: &io::Error) -> Blame {
    match Errno::from_io_error(error) {
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::NOTCONN
            | Errno::PERM
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::TIMEDOUT,
        ) => Blame::Client,
        _ => Blame::Ours,
    }
}

/// Says `last` and closes. Best effort. What has come is read, since a close with bytes unread resets the connection and takes the answer away.
fn refuse(stream: &Stream, last: &[u8]) {
    const MOST: usize = 16;
    let mut chunk = [0; 4096];
    let _ = stream.try_write(last);
    let _ = match stream {
        Stream::Tcp(stream) => shutdown(stream, Shutdown::Write),
        Stream::Unix(stream) => shutdown(stream, Shutdown::Write),
    };
    let mut read = || match stream {
        Stream::Tcp(stream) => stream.try_read(&mut chunk),
        Stream::Unix(stream) => stream.try_read(&mut chunk),
    };
    let _ = (0..MOST).take_while(|_| read().is_ok_and(|count| count > 0)).count();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_be_about_one_client_is_tried_again_at_once() {
        for (error, expected) in [
            (Errno::CONNABORTED, Blame::Client),
            (Errno::NETDOWN, Blame::Client),
            (Errno::MFILE, Blame::Ours),
            (Errno::NOMEM, Blame::Ours),
            (Errno::BADF, Blame::Ours),
            (Errno::NOSYS, Blame::Ours),
        ] {
            assert_eq!(severity(&error.into()), expected, "{error:?}");
        }
    }
}
