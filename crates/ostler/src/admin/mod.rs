//! The admin API: what runs, why, and how to stop it. On a listener of its own, for this machine alone.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use ostler_http::{Server, ServerConfig};
use ostler_net::{Address, Listener};
use ostler_pool::Pool;
use ostler_scope::{Closed, Scope};
use ostler_switchboard::Switchboard;
use tokio::sync::Notify;

use crate::servers::Servers;

/// The running admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    servers: Vec<Server>,
    drain: Arc<Notify>,
}

/// What the handlers look at.
#[derive(Clone, Debug)]
struct State {
    root: Scope,
    pool: Pool<Servers>,
    switchboards: Vec<Switchboard>,
    drain: Arc<Notify>,
}

impl Admin {
    pub(crate) fn start(
        scope: &Scope,
        root: &Scope,
        listeners: Vec<Listener>,
        _config: &ostler_config::Admin,
        pool: &Pool<Servers>,
        switchboards: &[Switchboard],
    ) -> Result<Self, Closed> {
        let drain = Arc::new(Notify::new());
        let state = State {
            root: root.clone(),
            pool: pool.clone(),
            switchboards: switchboards.to_vec(),
            drain: Arc::clone(&drain),
        };
        let router = Router::new().route("/healthz", get(async || "ok\n")).with_state(state);
        let mut servers = Vec::new();
        for listener in listeners {
            let router = TowerToHyperService::new(router.clone());
            let name = format!("listener {}", listener.address());
            servers.push(Server::start(scope, name, listener, ServerConfig::default(), move |_| {
                router.clone()
            })?);
        }
        Ok(Self { servers, drain })
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.servers.iter().map(Server::address)
    }

    /// Waits until somebody asks for a drain.
    pub async fn drain_requested(&self) {
        self.drain.notified().await;
    }
}
