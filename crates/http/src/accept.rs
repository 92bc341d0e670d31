//! The accept loop: it ends when it is told to, never because of an error.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ostler_net::{Listener, Stream};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use crate::table::{Census, Place};

/// The answer to a client for which there is no room.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

/// How long to wait before the next try when the process or the machine has run out of something.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A connection within the limit, with the place it has there.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) stream: Stream,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) place: Place,
}

/// What an accept error means for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// That client went away; the next one may be there already.
    Client,
    /// Out of file descriptors or memory, or something that nobody has thought of: trying at once might spin.
    Ours,
}

/// Accepts connections one at a time and keeps to the limit.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Listener,
    census: Arc<Census>,
    max_connections: usize,
    /// Cancelled when a drain begins.
    closing: CancellationToken,
}

impl Acceptor {
    pub(crate) fn new(
        listener: Listener,
        census: Arc<Census>,
        max_connections: usize,
        closing: CancellationToken,
    ) -> Self {
        Self { listener, census, max_connections, closing }
    }

    /// The next connection within the limit, or None once the server closes and nothing is queued any more: a client
    /// whose connection the system had accepted is served, not reset. Where another process accepts on the same socket,
    /// the queue is left to it. Cancel safe.
    pub(crate) async fn next(&self) -> Option<Admitted> {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.left_to_another() => return None,
                accepted = self.listener.accept() => accepted,
                () = self.closing.cancelled() => return None,
            };
            match accepted {
                Ok((stream, peer)) => match self.census.admit(self.max_connections) {
                    Some(place) => return Some(Admitted { stream, peer, place }),
                    None => {
                        tracing::warn!(?peer, limit = self.max_connections, "connection limit reached");
                        refuse(&stream);
                    }
                },
                Err(error) => match severity(&error) {
                    Severity::Client => tracing::debug!(%error, "client went away before it was accepted"),
                    Severity::Ours => {
                        tracing::error!(%error, "cannot accept");
                        tokio::select! {
                            () = tokio::time::sleep(BACK_OFF) => {}
                            () = self.closing.cancelled() => return None,
                        }
                    }
                },
            }
        }
    }

    /// Resolves when the server closes and another process accepts on the same socket.
    async fn left_to_another(&self) {
        self.closing.cancelled().await;
        if !self.listener.is_handed_over() {
            std::future::pending::<()>().await;
        }
    }
}

/// What `accept(2)` says of one connection alone, the network's errors among them, is the client's; all else is ours.
fn severity(error: &io::Error) -> Severity {
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
        ) => Severity::Client,
        _ => Severity::Ours,
    }
}

/// Best effort: the client may not have read it when the socket closes.
fn refuse(stream: &Stream) {
    let _ = stream.try_write(FULL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_be_about_one_client_is_tried_again_at_once() {
        for (error, expected) in [
            (Errno::CONNABORTED, Severity::Client),
            (Errno::NETDOWN, Severity::Client),
            (Errno::MFILE, Severity::Ours),
            (Errno::NOMEM, Severity::Ours),
            (Errno::BADF, Severity::Ours),
            (Errno::NOSYS, Severity::Ours),
        ] {
            assert_eq!(severity(&error.into()), expected, "{error:?}");
        }
    }
}
