//! The switchboard as a whole: its listeners, its rules and what it has counted.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ostler_http::{Drain, Observer, ServeError, ServerHandle, Workers, serve_on};
use ostler_net::{Address, Listener};
use ostler_pool::{Factory, Pool, Resource};
use ostler_scope::{Deadline, Scope};

use crate::Routes;
use crate::config::SwitchboardConfig;
use crate::counters::{Counted, Counters};
use crate::proxy::Proxy;
use crate::service::client;

/// How often a worker looks for connections to servers that have been unused for too long.
const SWEEP: Duration = Duration::from_secs(1);

/// Where a rule leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the pool's server with the host as its key.
    Pooled,
    /// To a server that is already running somewhere: never started, never stopped.
    Fixed(Address),
}

/// A running switchboard. Cheap to clone; it ends with the scope it was started in.
#[derive(Clone, Debug)]
pub struct Switchboard {
    server: ServerHandle,
    counters: Arc<[Arc<Counters>]>,
}

impl Switchboard {
    /// Serves `listener` on the threads of `workers`; `observer` is told what happens to connections. Halting `scope`
    /// drains it.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn start<F>(
        scope: &Scope,
        listener: Listener,
        config: SwitchboardConfig,
        routes: Routes<Target>,
        pool: &Pool<F>,
        workers: &Workers,
        observer: impl Observer,
    ) -> Result<Self, ServeError>
    where
        F: Factory<Resource: Resource<Address = Address>>,
    {
        let counters: Arc<[Arc<Counters>]> = (0..workers.len()).map(|_| Arc::default()).collect();
        let (config, routes) = (Arc::new(config), Arc::new(routes));
        let server_config = config.server.clone();
        let make = {
            let (counters, pool) = (Arc::clone(&counters), pool.clone());
            move |worker: usize| {
                let counters = Arc::clone(&counters[worker]);
                let (config, routes) = (Arc::clone(&config), Arc::clone(&routes));
                let proxy = Rc::new(Proxy::new(config, routes, pool.clone(), counters));
                sweep(&proxy);
                move |connection: &Arc<ostler_http::Connection>| {
                    client(Rc::clone(&proxy), Rc::new(proxy.session(connection)))
                }
            }
        };
        let name = format!("switchboard {}", listener.address());
        let server = serve_on(scope, name, listener, server_config, workers, observer, make)?;
        Ok(Self { server, counters })
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        self.server.address()
    }

    /// Its HTTP server, for figures about connections.
    pub fn server(&self) -> &ServerHandle {
        &self.server
    }

    /// What all workers have counted since the start.
    pub fn counted(&self) -> Counted {
        Counted::sum(self.counters.iter().map(Arc::as_ref))
    }

    /// Stops accepting and lets what is in flight finish; see [`ServerHandle::drain`].
    pub async fn drain(&self, deadline: Deadline) -> Drain {
        self.server.drain(deadline).await
    }
}

/// Sweeps until the worker has let go of its proxy.
fn sweep<F>(proxy: &Rc<Proxy<F>>)
where
    F: Factory<Resource: Resource<Address = Address>>,
{
    let proxy = Rc::downgrade(proxy);
    tokio::task::spawn_local(async move {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            let Some(proxy) = proxy.upgrade() else { return };
            proxy.sweep();
        }
    });
}
