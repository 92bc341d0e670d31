//! Closing a connection so that its client sees the last response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;
use crate::io::Watched;
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
    // It fails for a client that is gone, and reading tells that.
    let _ = poll_fn(|cx| Pin::new(&mut *io).poll_shutdown(cx)).await;
    connection.set_phase(Phase::Lingering);
    let mut chunk = vec![0; CHUNK];
    let most = connection.table().config().linger_size;
    let mut discarded = 0;
    loop {
        let read = poll_fn(|cx| {
            connection.listen(cx.waker());
            if connection.order() >= Order::Close {
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
