//! How a server starts.

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::select_ok;
use hyper::service::Service;
use hyper::{Request, Response};
use ostler_net::{Accepted, Listener};
use ostler_scope::{BoxError, Closed, Scope};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::accept::Admitted;
use crate::connection::Connection;
use crate::drive::{Protocols, drive};
use crate::h2::{Anywhere, Here};
use crate::share::{Source, serve_share};
use crate::supervisor::{Alive, Shared};
use crate::table::{Place, Table};
use crate::{ConnectionService, EventKind, Observer, RequestBody, ServerConfig, ServerHandle, Workers};

/// Connections that may wait for one worker to take them over. More wait in the system's accept queue.
const HANDED_OVER: usize = 256;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The scope it was to live in is halting.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Serves `listener` on the calling runtime, without waiting for anything. `make` makes the service of each connection;
/// `observer` is told what happens to them.
///
/// When `scope` is halted the server drains for at most [`ServerConfig::drain_timeout`].
///
/// # Errors
/// See [`ServeError`].
pub fn serve<M, S, B>(
    scope: &Scope,
    name: impl Into<ostler_scope::Name>,
    listener: Listener,
    config: ServerConfig,
    observer: impl Observer,
    make: M,
) -> Result<ServerHandle, ServeError>
where
    M: Fn(&Arc<Connection>) -> S + Send + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Send
        + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (server, acceptor) = ServerHandle::new(listener, config, 1, Arc::new(observer));
    let shared = server.shared();
    let table = Arc::clone(&shared.tables[0]);
    let protocols = Protocols::new(&shared.config);
    let source = Source::Listener(acceptor, shared.closed.clone());
    let entering = Arc::clone(&table);
    let start = move |connections: &mut JoinSet<()>, Admitted { stream, peer, place }| {
        let connection = entering.enter(peer, place);
        let service = make(&connection);
        connections.spawn(drive::<S, Anywhere>(stream, connection, service, Arc::clone(&protocols)));
    };
    let serving = serve_share(source, table, Arc::clone(&shared.config), start);
    server.own(scope, name, serving)
}

/// Serves `listener` on the threads of `workers`. `make` is called once on each of them and gives what makes the
/// service of each connection there: neither the services nor their futures need be `Send`.
///
/// # Errors
/// See [`ServeError`].
pub fn serve_on<W, M, S>(
    scope: &Scope,
    name: impl Into<ostler_scope::Name>,
    listener: Listener,
    config: ServerConfig,
    workers: &Workers,
    observer: impl Observer,
    make: W,
) -> Result<ServerHandle, ServeError>
where
    W: Fn(usize) -> M + Clone + Send + 'static,
    M: Fn(&Arc<Connection>) -> S + 'static,
    S: ConnectionService,
{
    let (server, acceptor) = ServerHandle::new(listener, config, workers.len(), Arc::new(observer));
    let shared = Arc::clone(server.shared());
    let workers = workers.clone();
    let accepting = async move {
        let mut queues = Vec::with_capacity(workers.len());
        for (index, table) in shared.tables.iter().enumerate() {
            let (sender, receiver) = mpsc::channel(HANDED_OVER);
            queues.push(sender);
            let (table, config, make) = (Arc::clone(table), Arc::clone(&shared.config), make.clone());
            let alive = Alive::on_thread(&shared);
            let job = move || {
                let start = start_local(make(index), Arc::clone(&table), Protocols::new(&config));
                alive.during(serve_share(Source::HandedOver(receiver), table, config, start)).boxed_local()
            };
            workers.run(index, job).await;
        }
        while let Some(admitted) = acceptor.next().await {
            hand_over(&shared, &queues, admitted).await;
        }
        drop(acceptor);
        shared.closed.cancel();
    };
    server.own(scope, name, accepting)
}

fn start_local<S: ConnectionService>(
    make: impl Fn(&Arc<Connection>) -> S + 'static,
    table: Arc<Table>,
    protocols: Arc<Protocols>,
) -> impl FnMut(&mut JoinSet<()>, Admitted) {
    move |connections, Admitted { stream, peer, place }| {
        let connection = table.enter(peer, place);
        let service = make(&connection);
        connections.spawn_local(drive::<S, Here>(stream, connection, service, Arc::clone(&protocols)));
    }
}

/// The thread that has the fewest connections, among those with room for another one in their queue. One that is stuck has few, and
/// waiting for it would keep clients from all the others.
fn emptiest(threads: impl Iterator<Item = (usize, bool)>) -> Option<usize> {
    let loads = threads.enumerate().filter(|(_, (_, has_room))| *has_room);
    loads.map(|(index, (load, _))| (load, index)).min().map(|(_, index)| index)
}

/// Gives a connection to the thread that has the fewest, or to the first that gets room for one.
async fn hand_over(shared: &Shared, queues: &[mpsc::Sender<(Accepted, Place)>], admitted: Admitted) {
    let Admitted { stream, peer, place } = admitted;
    let failed = |error: io::Error| {
        shared.tables[0].tell_of_none(peer, EventKind::SocketSetupFailed { error: (&error).into() });
    };
    let accepted = match Accepted::detach(stream, peer) {
        Ok(accepted) => accepted,
        Err(error) => return failed(error),
    };
    let threads = queues.iter().zip(&shared.tables).map(|(queue, table)| {
        let room = queue.capacity();
        (table.len() + HANDED_OVER - room, room > 0)
    });
    let room = match emptiest(threads) {
        Some(index) => queues[index].reserve().await,
        None => {
            let rooms = queues.iter().map(|queue| Box::pin(queue.reserve()));
            select_ok(rooms).await.map(|(room, _)| room)
        }
    };
    match room {
        Ok(room) => room.send((accepted, place)),
        // A queue is closed only when its worker has ended, and then so has the server.
        Err(_closed) => failed(io::ErrorKind::BrokenPipe.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;
    use tokio::net::UnixStream;

    use super::*;
    use crate::Discard;

    #[tokio::test]
    async fn where_no_thread_has_room_the_first_that_gets_some_is_waited_for() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (shared, _acceptor) = Shared::new(listener, ServerConfig::default(), 2, Arc::new(Discard));
        let (queues, mut waiting): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel(1)).unzip();
        for _ in &queues {
            hand_over(&shared, &queues, admitted(&shared)).await;
        }
        let mut third = pin!(hand_over(&shared, &queues, admitted(&shared)));
        assert!(poll!(third.as_mut()).is_pending());
        // The other one is stuck.
        let _ = waiting[1].recv().await.unwrap();
        third.await;
        assert_eq!((waiting[0].len(), waiting[1].len()), (1, 1));
    }

    fn admitted(shared: &Shared) -> Admitted {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        Admitted { stream: ours.into(), peer: None, place: shared.census.admit(3).unwrap() }
    }

    #[test]
    fn a_thread_with_a_full_queue_gets_nothing_while_another_has_room() {
        let emptiest = |threads: &[(usize, bool)]| emptiest(threads.iter().copied());
        assert_eq!(emptiest(&[(3, true), (2, true), (2, true)]), Some(1));
        assert_eq!(emptiest(&[(257, false), (4000, true)]), Some(1));
        assert_eq!(emptiest(&[(300, false), (257, false)]), None);
        assert_eq!(emptiest(&[]), None);
    }
}
