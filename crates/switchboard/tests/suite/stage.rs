//! A switchboard with a pool whose servers are what a test says.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use ostler_http::{Discard, Workers, WorkersConfig};
use ostler_net::{Address, Listener};
use ostler_pool::{Factory, Key, Policy, Pool, PoolConfig, Resource, ServerState, Start};
use ostler_scope::{BoxError, Deadline, Scope};
use ostler_switchboard::{Routes, Switchboard, SwitchboardConfig, Target};
use tokio::sync::{Notify, mpsc};

use ostler_testing::{Backend, Client};

/// An answer like any other.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What happens when a server is started.
type Play = Box<dyn Fn() -> BoxFuture<'static, Result<Address, BoxError>> + Send + Sync>;

/// Servers by host. A host that is not there fails to start.
#[derive(Clone, Default)]
pub(crate) struct Cast(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    plays: HashMap<String, Arc<Play>>,
    started: Vec<String>,
    policy: Option<Policy>,
    death: Arc<Notify>,
}

/// A server that runs elsewhere and is only pretended to be started.
pub(crate) struct Actor {
    address: Address,
    death: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct NoSuchActor;

impl Cast {
    /// `host` is served at `address`, ready at once.
    pub(crate) fn with(self, host: &str, address: &Address) -> Self {
        let address = address.clone();
        self.starting(host, move || {
            let address = address.clone();
            Box::pin(async move { Ok(address) })
        })
    }

    /// Starting `host` is what `play` does.
    pub(crate) fn starting<F>(self, host: &str, play: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<Address, BoxError>> + Send + Sync + 'static,
    {
        self.0.lock().unwrap().plays.insert(host.to_owned(), Arc::new(Box::new(play)));
        self
    }

    /// All servers get this policy.
    pub(crate) fn under(self, policy: Policy) -> Self {
        self.0.lock().unwrap().policy = Some(policy);
        self
    }

    /// Notify it to have one server end without having been asked to.
    pub(crate) fn death(&self) -> Arc<Notify> {
        Arc::clone(&self.0.lock().unwrap().death)
    }

    /// The hosts started so far, in order.
    pub(crate) fn started(&self) -> Vec<String> {
        self.0.lock().unwrap().started.clone()
    }
}

impl Factory for Cast {
    type Resource = Actor;

    fn policy(&self, _key: &Key) -> Policy {
        let usual = || Policy { start_timeout: Duration::from_millis(300), ..Policy::default() };
        self.0.lock().unwrap().policy.clone().unwrap_or_else(usual)
    }

    async fn start(&self, start: Start) -> Result<Actor, BoxError> {
        let host = start.key.to_string();
        let play = {
            let mut inner = self.0.lock().unwrap();
            inner.started.push(host.clone());
            inner.plays.get(&host).cloned().ok_or(NoSuchActor)?
        };
        let death = self.death();
        play().await.map(|address| Actor { address, death })
    }
}

impl Resource for Actor {
    type Address = Address;

    fn address(&self) -> Address {
        self.address.clone()
    }

    async fn exited(&self) -> BoxError {
        self.death.notified().await;
        NoSuchActor.into()
    }

    async fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    async fn drain(&self, _deadline: Deadline) {}
}

impl fmt::Display for NoSuchActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret reason for operators")
    }
}

impl std::error::Error for NoSuchActor {}

/// Everything between a client and its server.
pub(crate) struct Stage {
    pub(crate) scope: Scope,
    pub(crate) pool: Pool<Cast>,
    pub(crate) switchboard: Switchboard,
    pub(crate) cast: Cast,
}

/// What a stage is built with.
#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) pool: PoolConfig,
    pub(crate) switchboard: SwitchboardConfig,
    /// Besides `*.localhost`, which leads to the pool.
    pub(crate) fixed: Vec<(&'static str, Address)>,
}

impl Stage {
    pub(crate) async fn new(cast: Cast) -> Self {
        Self::set(cast, Setting::default()).await
    }

    pub(crate) async fn set(cast: Cast, setting: Setting) -> Self {
        let scope = Scope::root("test").open().unwrap();
        let workers =
            Workers::start(&scope, WorkersConfig { threads: std::num::NonZeroUsize::new(1) }).unwrap();
        let pool = Pool::start(&scope, setting.pool, cast.clone()).unwrap();
        let mut routes = Routes::new();
        routes.insert("*.localhost".parse().unwrap(), Target::Pooled);
        for (host, address) in setting.fixed {
            routes.insert(host.parse().unwrap(), Target::Fixed(address));
        }
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let config = setting.switchboard;
        let switchboard =
            Switchboard::start(&scope, listener, config, routes, &pool, &workers, Discard).unwrap();
        Self { scope, pool, switchboard, cast }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.switchboard.address()).await
    }

    /// Leases out of the server of `host`.
    pub(crate) fn leases(&self, host: &str) -> u32 {
        self.pool.server(&Key::from(host)).map_or(0, |server| server.leases)
    }

    /// Waits until `host` has so many leases.
    pub(crate) async fn until_leases(&self, host: &str, count: u32) {
        let waiting = async {
            while self.leases(host) != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(ostler_testing::PATIENCE, waiting).await.unwrap_or_else(|_| {
            panic!("{host} has {} leases instead of {count}", self.leases(host));
        });
    }

    /// Waits until the server of `host` takes no more leases.
    pub(crate) async fn until_draining(&self, host: &str) {
        self.until(host, |state| state == Some(ServerState::Draining)).await;
    }

    /// Waits until there is no server of `host`.
    pub(crate) async fn until_gone(&self, host: &str) {
        self.until(host, |state| state.is_none()).await;
    }

    async fn until(&self, host: &str, reached: impl Fn(Option<ServerState>) -> bool) {
        let key = Key::from(host);
        let waiting = async {
            while !reached(self.pool.server(&key).map(|server| server.state)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(ostler_testing::PATIENCE, waiting).await.expect("the server is told to go");
    }

    /// Waits until the switchboard accepts no more connections.
    pub(crate) async fn until_closed(&self) {
        while ostler_net::Stream::connect(self.switchboard.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn end(self) {
        let report = self.scope.halt().await;
        assert!(report.error.is_none() && report.stuck.is_empty(), "{report:?}");
    }
}

/// A backend that shows each request up to `end`, in lower case, and answers it.
pub(crate) async fn showing(end: &'static str) -> (Backend, mpsc::UnboundedReceiver<String>) {
    let (show, shown) = mpsc::unbounded_channel();
    let backend = Backend::start(move |_number, mut peer| {
        let show = show.clone();
        async move {
            while let Some(request) = peer.read_to(end).await {
                show.send(request.to_lowercase()).unwrap();
                peer.send(OK).await;
            }
        }
    })
    .await;
    (backend, shown)
}
