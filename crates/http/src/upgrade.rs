//! A connection that speaks another protocol now.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use crate::connection::Connection;
use crate::phase::{Order, Phase};

/// How an upgraded connection is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its server drains: say goodbye in the protocol's own words.
    Finish,
    /// The time is up: stop at once.
    Abort,
}

/// Keeps an upgraded connection in its server's table. A drain waits for it until the deadline.
#[derive(Debug)]
pub struct Upgraded {
    connection: Arc<Connection>,
}

impl Connection {
    /// Marks the connection as upgraded, until the returned guard is dropped. Call it before the 101 response is given.
    pub fn upgrade(self: &Arc<Self>) -> Upgraded {
        self.set_phase(Phase::Upgraded);
        self.set_upgraded(true);
        Upgraded { connection: Arc::clone(self) }
    }
}

impl Upgraded {
    /// Waits for the server to want an ending of at least this kind. Cancel safe. One task may wait at a time.
    pub async fn asked_to(&self, ending: Ending) {
        let order = match ending {
            Ending::Finish => Order::Finish,
            Ending::Abort => Order::Close,
        };
        poll_fn(|cx| {
            self.connection.listen(cx.waker());
            if self.connection.order() >= order { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        self.connection.set_upgraded(false);
    }
}
