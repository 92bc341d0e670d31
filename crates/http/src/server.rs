//! A server from its first accept to the end of its drain.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response, body::Incoming};
use ostler_net::{Accepted, Address, Listener};
use ostler_scope::{BoxError, Closed, Deadline, Scope};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accept::{Acceptor, Admitted};
use crate::connection::{Connection, Order};
use crate::serve::{ConnectionService, drive, protocol};
use crate::share::{Source, serve_share};
use crate::table::{Census, Place, Table};
use crate::{Drain, Remaining, ServerConfig, Workers};

/// Connections that may wait for one worker to take them over. More wait in the system's accept queue.
const HANDED_OVER: usize = 256;

/// How long connections that were reset may take to end.
const REAPING: Duration = Duration::from_secs(1);

/// A running server. Cheap to clone; the server ends with the scope it was started in, or when it is drained.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    config: Arc<ServerConfig>,
    census: Arc<Census>,
    /// One share per thread.
    tables: Vec<Arc<Table>>,
    /// Cancelled to stop accepting.
    closing: CancellationToken,
    /// Cancelled when the listener is closed.
    closed: CancellationToken,
    /// The first drain's result, for whoever asks again.
    drained: tokio::sync::OnceCell<Drain>,
    /// Live, so that a later call can shorten the first one's deadline.
    deadline: std::sync::OnceLock<Deadline>,
}

impl Server {
    /// Serves `listener` on the calling runtime. `make` makes the service of each connection.
    ///
    /// When `scope` is halted the server drains for at most [`ServerConfig::drain_timeout`].
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting.
    pub fn start<M, S, B>(
        scope: &Scope,
        name: impl Into<ostler_scope::Name>,
        listener: Listener,
        config: ServerConfig,
        make: M,
    ) -> Result<Self, Closed>
    where
        M: Fn(&Arc<Connection>) -> S + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
            + Send
            + 'static,
        B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (server, acceptor) = Self::new(listener, config, 1);
        let shared = &server.shared;
        let table = Arc::clone(&shared.tables[0]);
        let protocol = Arc::new(protocol(&shared.config));
        let source = Source::Listener(acceptor, shared.closed.clone());
        let entering = Arc::clone(&table);
        let start = move |connections: &mut JoinSet<()>, Admitted { stream, peer, place }| {
            let connection = entering.enter(peer, place);
            let service = make(&connection);
            connections.spawn(drive(stream, connection, service, Arc::clone(&protocol)));
        };
        let serving = serve_share(source, table, Arc::clone(&shared.config), start);
        server.own(scope, name, serving.map(Ok::<_, Closed>))
    }

    /// Serves `listener` on the threads of `workers`. `make` is called once on each of them and gives what makes the
    /// service of each connection there: neither the services nor their futures need be `Send`.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting.
    pub fn start_on<W, M, S>(
        scope: &Scope,
        name: impl Into<ostler_scope::Name>,
        listener: Listener,
        config: ServerConfig,
        workers: &Workers,
        make: W,
    ) -> Result<Self, Closed>
    where
        W: Fn(usize) -> M + Clone + Send + 'static,
        M: Fn(&Arc<Connection>) -> S + 'static,
        S: ConnectionService,
    {
        let (server, acceptor) = Self::new(listener, config, workers.len());
        let shared = Arc::clone(&server.shared);
        let workers = workers.clone();
        let accepting = async move {
            let mut queues = Vec::with_capacity(workers.len());
            for (index, table) in shared.tables.iter().enumerate() {
                let (sender, receiver) = mpsc::channel(HANDED_OVER);
                queues.push(sender);
                let (table, config, make) = (Arc::clone(table), Arc::clone(&shared.config), make.clone());
                let job = move || {
                    let start = start_local(make(index), Arc::clone(&table), protocol(&config));
                    serve_share(Source::HandedOver(receiver), table, config, start).boxed_local()
                };
                workers.run(index, job).await;
            }
            while let Some(admitted) = acceptor.next().await {
                hand_over(&shared, &queues, admitted).await;
            }
            drop(acceptor);
            shared.closed.cancel();
            Ok::<_, Closed>(())
        };
        server.own(scope, name, accepting)
    }

    fn new(listener: Listener, config: ServerConfig, shares: usize) -> (Self, Acceptor) {
        let census = Arc::new(Census::default());
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            address: listener.address().clone(),
            tables: (0..shares).map(|_| Table::new()).collect(),
            census: Arc::clone(&census),
            closing: closing.clone(),
            closed: CancellationToken::new(),
            drained: tokio::sync::OnceCell::new(),
            deadline: std::sync::OnceLock::new(),
            config: Arc::new(config),
        });
        let acceptor = Acceptor::new(listener, census, shared.config.max_connections, closing);
        (Self { shared }, acceptor)
    }

    /// Runs `serving` in a scope of its own whose end drains first.
    fn own<F>(self, scope: &Scope, name: impl Into<ostler_scope::Name>, serving: F) -> Result<Self, Closed>
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

    /// Makes place for who accepts on the same socket from now on, in this process or in another: stops accepting, and closes each
    /// connection behind its next response, which says so. Nothing is closed on a client that is about to ask.
    ///
    /// Returns when nothing is accepted any more; [`Server::gone`] tells when the last connection has ended. A drain can follow at
    /// any time. Cancel safe: the server retires all the same.
    pub async fn retire(&self) {
        self.shared.closing.cancel();
        self.shared.give_all(Order::Retire);
        self.shared.closed.cancelled().await;
    }

    /// Waits until there is no connection. Cancel safe.
    pub async fn gone(&self) {
        self.shared.census.empty().await;
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

fn start_local<S: ConnectionService>(
    make: impl Fn(&Arc<Connection>) -> S + 'static,
    table: Arc<Table>,
    protocol: http1::Builder,
) -> impl FnMut(&mut JoinSet<()>, Admitted) {
    let protocol = Arc::new(protocol);
    move |connections, Admitted { stream, peer, place }| {
        let connection = table.enter(peer, place);
        let service = make(&connection);
        connections.spawn_local(drive(stream, connection, service, Arc::clone(&protocol)));
    }
}

/// Gives a connection to the thread that has the fewest.
async fn hand_over(shared: &Shared, queues: &[mpsc::Sender<(Accepted, Place)>], admitted: Admitted) {
    let emptiest = queues
        .iter()
        .zip(&shared.tables)
        .min_by_key(|(queue, table)| table.len() + (HANDED_OVER - queue.capacity()));
    let Some((queue, _)) = emptiest else { return };
    let Admitted { stream, peer, place } = admitted;
    match Accepted::detach(stream, peer) {
        // The queue is closed only when its worker has ended, and then so has the server.
        Ok(accepted) => drop(queue.send((accepted, place)).await),
        Err(error) => tracing::warn!(?peer, %error, "connection lost between threads"),
    }
}
