//! The loop that serves one thread's share of a server's connections.

use std::sync::Arc;

use ostler_net::Accepted;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::accept::{Acceptor, Admitted};
use crate::sweep::Sweep;
use crate::table::{Place, Table};
use crate::{EventKind, ServerConfig};

/// Where a share's connections come from.
pub(crate) enum Source {
    /// The share has the listener itself. The token is cancelled once the listener is closed.
    Listener(Acceptor, CancellationToken),
    /// Another thread accepts and hands over.
    HandedOver(mpsc::Receiver<(Accepted, Place)>),
}

impl Source {
    /// The next connection, or None when there will be no more. Cancel safe.
    async fn next(&mut self, table: &Table) -> Option<Admitted> {
        match self {
            Self::Listener(acceptor, _) => acceptor.next().await,
            Self::HandedOver(queue) => loop {
                let (accepted, place) = queue.recv().await?;
                let peer = accepted.peer;
                match accepted.attach() {
                    Ok(stream) => return Some(Admitted { stream, peer, place }),
                    Err(error) => {
                        table.tell_of_none(peer, EventKind::SocketSetupFailed { error: (&error).into() });
                    }
                }
            },
        }
    }
}

/// Serves what comes from `source` until it is exhausted and the last connection has ended, upgraded or not. `start` starts the task of
/// one connection. Dropped, it drops every connection.
pub(crate) async fn serve_share(
    source: Source,
    table: Arc<Table>,
    config: Arc<ServerConfig>,
    mut start: impl FnMut(&mut JoinSet<()>, Admitted),
) {
    let mut source = Some(source);
    let mut connections = JoinSet::new();
    let sweep = Sweep::new(&config);
    let mut ticks = interval(config.sweep_interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Those that were upgraded have no task of ours any more.
        let is_busy = !connections.is_empty() || table.len() > 0;
        let is_exhausted = source.is_none();
        if is_exhausted && !is_busy {
            return;
        }
        let next = async {
            match &mut source {
                Some(source) => source.next(&table).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            next = next => match next {
                Some(admitted) => start(&mut connections, admitted),
                None => {
                    if let Some(Source::Listener(acceptor, closed)) = source.take() {
                        drop(acceptor);
                        closed.cancel();
                    }
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "connection task panicked");
                }
            }
            () = table.emptied(), if is_exhausted => {}
            // Without connections there is nothing to time out, and an idle server costs no timer.
            _ = ticks.tick(), if is_busy => table.sweep(&sweep),
        }
    }
}
