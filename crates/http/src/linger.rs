//! Closing a connection so that its client sees the last response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::io::Watched;
use crate::overdue::Overdue;
use crate::phase::{Order, Phase};

/// What is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// When listening to a client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// When it has closed its side: it is known to be sending still.
    UntilItCloses,
    /// When nothing more has come.
    WhatHasCome,
}

/// Closes our side, and reads what the client still sends to throw it away: a close with bytes unread resets the
/// connection, and the client may lose the response that it has not read yet. It ends with the client's close, at the bound
/// in bytes, or by an order, such as the sweep's when the bound in time has passed. Returns how many bytes came.
pub(crate) async fn linger(io: &mut Watched, connection: &Connection, patience: Patience) -> usize {
    if io.gone().is_some() || io.unsent().is_some() {
        return 0;
    }
    connection.set_phase(Phase::Lingering);
    // One that was ordered to close lingers like any other: it has been answered for that.
    let begun = connection.order().max(Order::Finish);
    let is_up = || connection.order() > begun || connection.overdue() == Overdue::Linger;
    // Over TLS it is a message, which waits for a client that does not read. It fails for one that is gone, and reading tells
    // that.
    let _ = poll_fn(|cx| {
        connection.listen(cx.waker());
        if is_up() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *io).poll_shutdown(cx)
    })
    .await;
    let mut chunk = vec![0; CHUNK];
    let most = connection.table().config().linger_size;
    let mut discarded = 0;
    loop {
        let read = poll_fn(|cx| {
            connection.listen(cx.waker());
            if is_up() {
                return Poll::Ready(0);
            }
            match (read(io, &mut chunk, cx), patience) {
                (Poll::Pending, Patience::WhatHasCome) => Poll::Ready(0),
                (polled, Patience::WhatHasCome | Patience::UntilItCloses) => polled,
            }
        })
        .await;
        discarded += read;
        if read == 0 || discarded as u64 >= most {
            return discarded;
        }
    }
}

fn read(io: &mut Watched, chunk: &mut [u8], cx: &mut Context<'_>) -> Poll<usize> {
    let mut buf = ReadBuf::new(chunk);
    match ready!(Pin::new(io).poll_read(cx, &mut buf)) {
        Ok(()) => Poll::Ready(buf.filled().len()),
        Err(_) => Poll::Ready(0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ostler_net::Stream;
    use ostler_testing::PATIENCE;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::table::{Census, Table};
    use crate::transport::encrypted;
    use crate::{Discard, ServerConfig};

    /// A client that was answered 408 still sends.
    #[tokio::test]
    async fn one_that_was_ordered_to_close_listens_to_its_client_all_the_same() {
        for leaves in [true, false] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let table =
                Table::new(0, Arc::new(ServerConfig::default()), CancellationToken::new(), Arc::new(Discard));
            let connection = table.enter(None, Arc::new(Census::default()).admit(1).unwrap());
            let mut io = Watched::new(Stream::from(ours).into(), Arc::clone(&connection));
            connection.expire(Overdue::Head, Order::Close);
            let lingering = linger(&mut io, &connection, Patience::UntilItCloses);
            let client = async {
                while connection.phase() != Phase::Lingering {
                    tokio::task::yield_now().await;
                }
                theirs.write_all(b"more").await.unwrap();
                if leaves {
                    return drop(theirs);
                }
                connection.expire_linger();
            };
            let both = async { tokio::join!(lingering, client) };
            let (discarded, ()) = tokio::time::timeout(PATIENCE, both).await.expect("it listens for ever");
            assert!(discarded == 4 || !leaves, "{discarded}");
        }
    }

    /// Over TLS the end of our side is a message, for which there may be no room.
    #[tokio::test]
    async fn a_client_that_does_not_read_keeps_nobody_from_closing() {
        let (mut transport, _client) = encrypted().await;
        while transport.try_write(&[0; 4096]).is_ok() {}

        let table =
            Table::new(0, Arc::new(ServerConfig::default()), CancellationToken::new(), Arc::new(Discard));
        let connection = table.enter(None, Arc::new(Census::default()).admit(1).unwrap());
        let mut io = Watched::new(transport, Arc::clone(&connection));
        let lingering = linger(&mut io, &connection, Patience::WhatHasCome);
        let closing = async {
            while connection.phase() != Phase::Lingering {
                tokio::task::yield_now().await;
            }
            connection.give(Order::Close);
        };
        let both = async { tokio::join!(lingering, closing) };
        tokio::time::timeout(PATIENCE, both).await.expect("it waits for the client");
    }
}
