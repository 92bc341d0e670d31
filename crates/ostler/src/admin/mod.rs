//! The admin API: what runs, why, and how to stop it. On a listener of its own, for this machine alone.

pub(crate) mod chain;
mod drain;
mod event;
mod events;
mod failures;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gate;
mod health;
mod history;
mod metrics;
mod openapi;
mod problem;
mod replace;
mod rules;
mod servers;
mod sessions;
mod view;
mod watch;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use ostler_config::Config;
use ostler_http::{EventCounts, Observer, ServeError, ServerConfig, ServerHandle, Tracing, serve};
use ostler_net::{Address, Listener};
use ostler_pool::{Event, Pool};
use ostler_scope::{Closed, Scope, Subscriber};
use ostler_store::SqliteStorage;
use ostler_switchboard::Switchboard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::event::{EventDetail, EventView};
pub use self::view::{
    DrainView, FailureView, ListenerDrained, OutputLine, ReplacedView, ScopeView, ServerDetails, ServerView,
    StatusView, StoppedView, WhyAliveView,
};

use self::drain::Draining;
use self::gate::Gate;
use self::problem::Problem;
pub(crate) use self::problem::{
    CONFIGURATION_REFUSED, NO_SUCH_SERVER, NO_SUCH_SESSION, PROBLEMS, REPLACEMENT_FAILED,
};
use self::replace::{Leaving, Means, Replacement};
use self::rules::Rules;
pub use self::sessions::{CancelledView, QuestionView, SessionView};
use self::watch::Watch;
use crate::data::Data;
use crate::mcp::Mcp;
use crate::replace::{Estate, Program};
use crate::servers::Servers;

/// The running admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    listeners: Vec<ServerHandle>,
    draining: Arc<Draining>,
    replacement: Arc<Replacement>,
}

/// What the admin API tells of.
pub(crate) struct Overseen<'a> {
    /// The whole of Ostler.
    pub(crate) root: &'a Scope,
    /// Subscribed to before the first server can start.
    pub(crate) events: Subscriber<Event<Address>>,
    pub(crate) pool: &'a Pool<Servers>,
    pub(crate) switchboards: &'a [Switchboard],
    /// What this process is replaced by, and what that one gets.
    pub(crate) program: Option<Program>,
    pub(crate) estates: Vec<Estate>,
    /// Of the connections of each switchboard.
    pub(crate) http_events: Vec<EventCounts>,
    /// The endpoint, if there is one, and its store.
    pub(crate) mcp: Option<(Mcp, Data)>,
    /// Fires when somebody may be accepted.
    pub(crate) opening: CancellationToken,
}

/// What the handlers look at.
#[derive(Clone, Debug)]
struct AdminState {
    root: Scope,
    started: Instant,
    pool: Pool<Servers>,
    switchboards: Vec<Switchboard>,
    /// Of the connections of each switchboard.
    http_events: Vec<EventCounts>,
    mcp: Option<Mcp>,
    database: Option<SqliteStorage>,
    /// The admin API's own, set once they listen.
    listeners: Arc<OnceLock<Vec<(ServerHandle, EventCounts)>>>,
    rules: Rules,
    watch: Arc<Watch>,
    draining: Arc<Draining>,
    replacement: Arc<Replacement>,
    /// How long a drain takes at most unless told otherwise.
    drain_timeout: Duration,
    /// How many of a child's last lines are shown.
    output_lines: usize,
}

impl Admin {
    /// Starts the admin API in `scope`, which must outlive the pool: the last `stopped` is still to be told.
    pub(crate) fn start(
        scope: &Scope,
        listeners: Vec<Listener>,
        config: &Config,
        overseen: Overseen<'_>,
    ) -> Result<Self, ServeError> {
        let Overseen { root, events, pool, switchboards, program, estates, http_events, mcp, opening } =
            overseen;
        let (mcp, data) = mcp.unzip();
        let database = data.and_then(|data| data.database);
        let serving = switchboards.iter().map(Switchboard::server);
        let serving = serving.chain(mcp.iter().flat_map(Mcp::listeners)).cloned().collect();
        let rules = Rules::new(&config.servers);
        let watch = Watch::new(&config.admin, rules.clone(), events);
        let watching = Arc::clone(&watch);
        // Before the listeners, so that it ends after them: event streams need its last word.
        let watcher = scope.spawn("watch", async move {
            watching.run().await;
            Ok::<_, Closed>(())
        })?;
        // The pool has ended by then, and so do its events: all that is left is to hear them out.
        scope.ensure("last events", async move |_| {
            // If the time is up, so is its own; if it failed, the scope knows already.
            let _ = watcher.await;
            Ok::<_, Closed>(())
        })?;
        let draining = Draining::new(serving, scope);
        let means = Means {
            program,
            estates,
            within: config.switchboard.replace_timeout,
            database: database.clone(),
        };
        let own = Arc::new(OnceLock::new());
        let leaving = Leaving {
            switchboards: switchboards.to_vec(),
            mcp: mcp.iter().flat_map(Mcp::listeners).cloned().collect(),
            listeners: Arc::clone(&own),
        };
        let replacement = Replacement::new(means, leaving, root, &draining, &watch);
        let state = AdminState {
            root: root.clone(),
            started: Instant::now(),
            pool: pool.clone(),
            switchboards: switchboards.to_vec(),
            http_events,
            mcp,
            database,
            listeners: Arc::clone(&own),
            rules,
            watch,
            draining: Arc::clone(&draining),
            replacement: Arc::clone(&replacement),
            drain_timeout: config.switchboard.drain_timeout,
            output_lines: config.admin.output_lines,
        };
        let mut servers = Vec::new();
        for listener in listeners {
            let gate = Gate::new(&config.admin.allowed_hosts, listener.address());
            let service = TowerToHyperService::new(router(state.clone(), gate));
            let name = format!("listener {}", listener.address());
            let bounds = ServerConfig {
                max_connections: config.admin.max_connections,
                drain_timeout: config.admin.drain_timeout,
                opening: Some(opening.clone()),
                ..crate::host::bounds(&config.admin.bounds)
            };
            let counts = EventCounts::default();
            let observer = Tracing.and(counts.clone());
            let server = serve(scope, name, listener, bounds, observer, move |_| service.clone())?;
            servers.push((server, counts));
        }
        let listeners = servers.iter().map(|(server, _)| server.clone()).collect();
        let _ = own.set(servers);
        Ok(Self { listeners, draining, replacement })
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(ServerHandle::address)
    }

    /// Waits until the switchboards and the endpoint have drained because somebody asked for it.
    pub async fn drained_on_request(&self) {
        self.draining.done().await;
    }

    /// Does what `POST /replace` does, without waiting for it. What becomes of it, also if it is refused, is logged.
    pub(crate) fn replace(&self) {
        drop(self.replacement.request());
    }

    /// Whether a successor is in charge.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replacement.is_done()
    }

    /// Waits until a successor is in charge.
    pub(crate) async fn replaced(&self) {
        self.replacement.done().await;
    }
}

impl AdminState {
    fn is_draining(&self) -> bool {
        self.draining.has_begun() || self.root.halting().is_cancelled()
    }
}

fn router(state: AdminState, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/scopes", get(health::scopes))
        .route("/metrics", get(metrics::metrics))
        .route("/servers", get(servers::list))
        .route("/servers/{key}", get(servers::show).delete(servers::stop))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", get(sessions::show).delete(sessions::cancel))
        .route("/failures", get(servers::failures))
        .route("/events", get(events::events))
        .route("/drain", post(drain::drain))
        .route("/replace", post(replace::replace))
        .route("/openapi.json", get(openapi::openapi))
        .fallback(async |request: Request| Problem::no_such_path(request.uri().path()))
        .method_not_allowed_fallback(async |request: Request| {
            Problem::no_such_method(request.method(), request.uri().path())
        })
        .layer(middleware::from_fn_with_state(gate, gate::guard))
        .with_state(state)
}
