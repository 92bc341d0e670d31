//! One walk over `/proc` for all who wait for one: a hundred children stopped together cost a few walks, not hundreds.

use std::io;
use std::sync::Arc;

use ostler_scope::{BoxError, Closed, Scope};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::census::{self, Entry};
use crate::chase::{Chase, Outcome, PAUSE};

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

    /// Chases until nobody is left.
    ///
    /// # Errors
    /// The deadline passed first: those who were hit and are still there.
    pub(crate) async fn run(&self, chase: &mut Chase, deadline: Instant) -> Result<(), Vec<u32>> {
        let mut pause = PAUSE.0;
        loop {
            // Most are gone soon, and a walk is saved; one that is stuck must not hide others for long.
            if !chase.is_pending() || pause == PAUSE.1 {
                match &*self.census().await {
                    Ok(census) if chase.strike(census) == Outcome::Gone => return Ok(()),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "cannot look for what was left behind"),
                }
            }
            if Instant::now() >= deadline {
                return Err(chase.left());
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
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
