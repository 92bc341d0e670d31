//! One walk over `/proc` for all who wait for one: a hundred children stopped together cost a few walks, not hundreds.

use std::io;
use std::sync::Arc;

use ostler_scope::{BoxError, Closed, Scope};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::census::{self, Entry, Quarry};
use crate::hunt::{self, Round};

/// Requests that wait for the next walk; who comes later waits to place theirs.
const QUEUE: usize = 256;

/// What every request of a walk gets to see.
type Census = Arc<io::Result<Vec<Entry>>>;

/// Asks the walking thread. A request is answered by a walk that began after it was made.
#[derive(Clone, Debug)]
pub(crate) struct Walker {
    requests: mpsc::Sender<oneshot::Sender<Census>>,
}

impl Walker {
    pub(crate) fn start(scope: &Scope) -> Result<Self, Closed> {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Handle::current();
        scope.thread("process walker", move |halting| {
            runtime.block_on(run(inbox, halting));
            Ok::<(), BoxError>(())
        })?;
        Ok(Self { requests })
    }

    /// SIGKILL to everyone a fresh walk finds of `quarry`.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub(crate) async fn strike(&self, quarry: &Quarry) -> io::Result<Round> {
        match &*self.census().await {
            Ok(census) => Ok(hunt::strike_among(quarry, census)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// All living processes, as of a walk that begins now. Cancel safe.
    pub(crate) async fn census(&self) -> Census {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(reply).await.is_ok()
            && let Ok(census) = answer.await
        {
            return census;
        }
        // The launcher is gone, and somebody still has to be ended: walk here.
        Arc::new(census::take())
    }
}

async fn run(mut inbox: mpsc::Receiver<oneshot::Sender<Census>>, halting: CancellationToken) {
    let mut waiting = Vec::new();
    while let Some(1..) = halting.run_until_cancelled(inbox.recv_many(&mut waiting, QUEUE)).await {
        let census = Arc::new(census::take());
        for reply in waiting.drain(..) {
            let _ = reply.send(Arc::clone(&census));
        }
    }
    drop(inbox);
    halting.cancelled().await;
}
