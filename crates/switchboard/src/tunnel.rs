//! An upgraded connection, such as a WebSocket, between a client and its server.

use std::io;
use std::pin::pin;
use std::time::Duration;

use http::HeaderValue;
use hyper::upgrade::{OnUpgrade, Upgraded as Stream};
use hyper_util::rt::TokioIo;
use ostler_http::{Ending, Upgraded};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, split};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::body::Held;
use crate::frames::{Frames, GOING_AWAY, GOING_AWAY_MASKED};

/// What is read at once in one direction, in bytes.
const CHUNK: usize = 8 * 1024;

/// What passes through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// WebSocket: both sides can be told in its own words that the end has come.
    WebSocket,
    /// Something that we do not speak.
    Other,
}

impl Protocol {
    /// From the `Upgrade` field of a 101 response.
    pub(crate) fn of(upgrade: &HeaderValue) -> Self {
        if upgrade.as_bytes().eq_ignore_ascii_case(b"websocket") { Self::WebSocket } else { Self::Other }
    }
}

/// Copies both ways until both sides have ended (a WebSocket: `half_closed_timeout` after the first), one of them fails, or the
/// listener aborts. The lease is held all the while: an open tunnel is use, whether or not anything passes.
///
/// When the listener drains, or the server is told to go, both ends of a WebSocket are sent a Close frame with code 1001. They
/// have until the listener aborts, or the server ends, to answer.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    server: OnUpgrade,
    protocol: Protocol,
    upgraded: Upgraded,
    lease: Option<Held>,
    dismissed: impl Future<Output = ()>,
    half_closed_timeout: Duration,
) {
    let copying = async {
        let (client, server) = tokio::try_join!(client, server).map_err(io::Error::other)?;
        match protocol {
            Protocol::WebSocket => websocket(client, server, &upgraded, dismissed, half_closed_timeout).await,
            Protocol::Other => {
                copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await.map(|_| ())
            }
        }
    };
    tokio::select! {
        copied = copying => match copied {
            Ok(()) => tracing::debug!("tunnel ended"),
            Err(error) => tracing::debug!(%error, "tunnel broke"),
        },
        () = aborted(&upgraded, protocol) => tracing::debug!("tunnel aborted"),
    }
    drop(lease);
}

/// A WebSocket waits for the drain itself, and one task at a time may wait; its abort comes from there.
async fn aborted(upgraded: &Upgraded, protocol: Protocol) {
    match protocol {
        Protocol::WebSocket => std::future::pending().await,
        Protocol::Other => upgraded.asked_to(Ending::Abort).await,
    }
}

/// A WebSocket that one side has closed is over (RFC 6455, section 7.1): the other side has `half_closed_timeout` for its last
/// words. Without it, a server that does not mind would be in use for ever by a client that is gone, and a client that waits
/// for its server to close, as it should, would hold up a drain.
async fn websocket(
    client: Stream,
    server: Stream,
    upgraded: &Upgraded,
    dismissed: impl Future<Output = ()>,
    half_closed_timeout: Duration,
) -> io::Result<()> {
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_server, to_server) = split(TokioIo::new(server));
    let finishing = CancellationToken::new();
    let copying = async {
        let mut up = pin!(copy(from_client, to_server, &finishing, GOING_AWAY_MASKED));
        let mut down = pin!(copy(from_server, to_client, &finishing, GOING_AWAY));
        let other = tokio::select! {
            ended = &mut up => ended.map(|()| down),
            ended = &mut down => ended.map(|()| up),
        };
        timeout(half_closed_timeout, other?).await.unwrap_or(Ok(()))
    };
    let obeying = async {
        tokio::select! {
            () = upgraded.asked_to(Ending::Finish) => {}
            () = dismissed => {}
        }
        finishing.cancel();
        upgraded.asked_to(Ending::Abort).await;
    };
    tokio::select! {
        copied = copying => copied,
        () = obeying => Err(io::Error::new(io::ErrorKind::TimedOut, "the drain deadline passed")),
    }
}

/// Copies frames until `from` ends. Once `finishing` fires, what is under way is finished, `goodbye` is sent unless `from`
/// has said its own, and the rest is read and dropped: the answer to a goodbye that the other side gets from us too.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    finishing: &CancellationToken,
    goodbye: &[u8],
) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = tokio::select! {
            biased;
            () = finishing.cancelled(), if frames.is_between() => break,
            count = from.read(&mut chunk) => count?,
        };
        if count == 0 {
            return to.shutdown().await;
        }
        let passing = if finishing.is_cancelled() {
            frames.finish(&chunk[..count])
        } else {
            frames.pass(&chunk[..count]);
            count
        };
        to.write_all(&chunk[..passing]).await?;
    }
    if !frames.has_closed() {
        to.write_all(goodbye).await?;
        to.flush().await?;
    }
    while from.read(&mut chunk).await? > 0 {}
    to.shutdown().await
}
