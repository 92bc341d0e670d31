//! When a stream that has no end of its own is given one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use ostler_http::Connection;
use ostler_pool::SlotState;

use crate::body::Held;

/// Tells the end of an event stream: its listener drains, or its server is told to go.
pub(crate) struct Endless {
    /// Its task polls the stream when the listener drains.
    connection: Arc<Connection>,
    dismissed: Pin<Box<dyn Future<Output = ()>>>,
    over: bool,
}

impl Endless {
    pub(crate) fn new(connection: &Arc<Connection>, lease: Option<&Held>) -> Box<Self> {
        let dismissed = Box::pin(dismissed(lease));
        Box::new(Self { connection: Arc::clone(connection), dismissed, over: false })
    }

    /// Whether the end has come. If not, the task is woken when it does.
    pub(crate) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.over = self.over || self.connection.is_draining() || self.dismissed.as_mut().poll(cx).is_ready();
        self.over
    }
}

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endless").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Resolves when the server that `lease` is of is told to go, from this moment on. One that runs anyway never is.
///
/// One that has died was not told anything: what it has said was cut short, and should be seen as that. Nor is one told by the
/// very use that was the last it may have.
pub(crate) fn dismissed(lease: Option<&Held>) -> impl Future<Output = ()> + 'static {
    let slot = lease.map(|lease| lease.slot().clone()).filter(|slot| slot.state() == SlotState::Ready);
    async move {
        if let Some(slot) = slot {
            slot.draining().await;
            if slot.state() == SlotState::Draining {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}
