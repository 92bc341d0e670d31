//! A running server, and the end of it.

use std::sync::Arc;
use std::time::Duration;

use ostler_net::{Address, Listener};
use ostler_scope::{Closed, Deadline, Scope};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accept::Acceptor;
use crate::connection::Order;
use crate::table::{Census, Table};
use crate::{Drain, Observer, Remaining, ServeError, ServerConfig};

/// How long connections that were reset may take to end.
const REAPING: Duration = Duration::from_secs(1);

/// A running server. Cheap to clone; the server ends with the scope it was started in, or when it is drained.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    address: Address,
    pub(crate) config: Arc<ServerConfig>,
    census: Arc<Census>,
    /// One share per thread.
    pub(crate) tables: Vec<Arc<Table>>,
    /// Cancelled to stop accepting.
    closing: CancellationToken,
    /// Cancelled when the listener is closed.
    pub(crate) closed: CancellationToken,
    /// The first drain's result, for whoever asks again.
    drained: tokio::sync::OnceCell<Drain>,
    /// Live, so that a later call can shorten the first one's deadline.
    deadline: std::sync::OnceLock<Deadline>,
}

impl ServerHandle {
    pub(crate) fn new(
        listener: Listener,
        config: ServerConfig,
        shares: usize,
        observer: Arc<dyn Observer>,
    ) -> (Self, Acceptor) {
        let census = Arc::new(Census::default());
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            address: listener.address().clone(),
            tables: (0..shares).map(|share| Table::new(share, Arc::clone(&observer))).collect(),
            census: Arc::clone(&census),
            closing: closing.clone(),
            closed: CancellationToken::new(),
            drained: tokio::sync::OnceCell::new(),
            deadline: std::sync::OnceLock::new(),
            config: Arc::new(config),
        });
        let acceptor = Acceptor::new(listener, census, shared.config.max_connections, closing, observer);
        (Self { shared }, acceptor)
    }

    /// Runs `serving` in a scope of its own whose end drains first.
    pub(crate) fn own<F>(
        self,
        scope: &Scope,
        name: impl Into<ostler_scope::Name>,
        serving: F,
    ) -> Result<Self, ServeError>
    where
        F: Future<Output = Result<(), Closed>> + Send + 'static,
    {
        let scope = scope.child(name).cleanup_deadline(self.shared.config.drain_timeout + REAPING).open()?;
        drop(scope.spawn("accept", serving)?);
        let server = self.clone();
        scope.ensure("drain", async move |cleanup| {
            // What is reset at the end of the drain needs time to end in.
            let left = cleanup.deadline.remaining();
            let patience = left.saturating_sub(REAPING.min(left / 4));
            let deadline = cleanup.deadline.child(server.shared.config.drain_timeout.min(patience));
            match server.drain(deadline).await {
                Drain::Drained { .. } => Ok(()),
                timed_out @ Drain::TimedOut { .. } => Err(DrainTimedOut(timed_out)),
            }
        })?;
        Ok(self)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where it listens: the port that the system chose for port 0.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.census.open()
    }

    /// Responses begun since the start.
    pub fn served(&self) -> u64 {
        self.shared.tables.iter().map(|table| table.served()).sum()
    }

    /// Connections open now, by phase.
    pub fn phases(&self) -> Remaining {
        let mut remaining = Remaining::default();
        for table in &self.shared.tables {
            table.count_phases(&mut remaining.0);
        }
        remaining
    }

    /// Stops accepting, closes what is idle, lets exchanges in flight finish, and resets what is left at `deadline`.
    ///
    /// A second call shortens the first one's deadline if its own is earlier, and gets the same result. Cancel safe in
    /// that a dropped call leaves the server closing; another call takes the drain up.
    pub async fn drain(&self, deadline: Deadline) -> Drain {
        let shared = &self.shared;
        let first = shared.deadline.get_or_init(|| deadline.clone());
        first.shorten(deadline.instant());
        let following = async {
            // The caller's deadline may itself be shortened while we wait.
            deadline.expired().await;
            first.shorten(Instant::now());
            std::future::pending().await
        };
        tokio::select! {
            drain = shared.drained.get_or_init(|| shared.drain(first)) => drain.clone(),
            never = following => never,
        }
    }
}

impl Shared {
    async fn drain(&self, deadline: &Deadline) -> Drain {
        let begun = Instant::now();
        self.closing.cancel();
        // An accept loop that is past its deadline is dropped with the scope; what it accepted is told to abort below.
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = deadline.expired() => {}
        }
        self.give_all(Order::Finish);
        tokio::select! {
            () = self.census.empty() => {
                let served = self.tables.iter().map(|table| table.served()).sum();
                return Drain::Drained { served, elapsed: begun.elapsed() };
            }
            () = deadline.expired() => {}
        }
        let mut remaining = Remaining::default();
        for table in &self.tables {
            table.count_phases(&mut remaining.0);
        }
        self.give_all(Order::Abort);
        let stuck = match tokio::time::timeout(REAPING, self.census.empty()).await {
            Ok(()) => 0,
            Err(_) => self.census.open(),
        };
        let aborted = remaining.total().saturating_sub(stuck);
        Drain::TimedOut { remaining, aborted, stuck }
    }

    fn give_all(&self, order: Order) {
        for table in &self.tables {
            table.give_all(order);
        }
    }
}

/// The drain of a halted server passed its deadline.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DrainTimedOut(pub Drain);
