//! The endpoint of the Model Context Protocol, and the sessions behind it.

use std::sync::Arc;

use ostler_config::{Config, Resume, ToolSet};
use ostler_http::{EventCounts, Observer, ServerConfig, ServerHandle, Tracing, serve};
use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
use ostler_net::{Address, Listener};
use ostler_scope::{Closed, Scope};
use ostler_tools::{JournalStorage, MemoryStorage, Sessions, SessionsConfig, StartError, Tools};
use tokio_util::sync::CancellationToken;

use crate::HostError;
use crate::demo;

/// The running endpoint.
#[derive(Clone, Debug)]
pub struct Mcp {
    sessions: Sessions,
    /// What serves it, and what has happened to the connections there.
    listeners: Vec<(ServerHandle, EventCounts)>,
}

impl Mcp {
    /// Serves the tools that `config` names on `listeners`, journaled in `storage`, or carried by their clients without one.
    pub(crate) fn start(
        scope: &Scope,
        listeners: Vec<Listener>,
        config: &Config,
        storage: Option<Arc<dyn JournalStorage>>,
        keys: KeyRing,
        in_charge: bool,
        opening: &CancellationToken,
    ) -> Result<Self, HostError> {
        let sessions = match storage {
            Some(storage) => sessions(scope, config, storage, in_charge)?,
            None => Sessions::start_sealed(scope, tools(&config.mcp.tools), sessions_config(config))?,
        };
        let endpoint = Arc::new(Endpoint::new(sessions.clone(), keys, endpoint_config(config)));
        let mut servers = Vec::new();
        for listener in listeners {
            let name = format!("mcp {}", listener.address());
            let bounds = ServerConfig {
                max_connections: config.mcp.max_connections,
                drain_timeout: config.mcp.drain_timeout,
                opening: Some(opening.clone()),
                ..crate::host::bounds(&config.mcp.bounds)
            };
            let endpoint = Arc::clone(&endpoint);
            let counts = EventCounts::default();
            let observer = Tracing.and(counts.clone());
            let make = move |connection: &Arc<_>| endpoint.service(connection);
            servers.push((serve(scope, name, listener, bounds, observer, make)?, counts));
        }
        Ok(Self { sessions, listeners: servers })
    }

    /// The sessions behind it.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What serves it.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &ServerHandle> {
        self.listeners.iter().map(|(server, _)| server)
    }

    /// The same with what has happened to their connections.
    pub(crate) fn counted(&self) -> &[(ServerHandle, EventCounts)] {
        &self.listeners
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners().map(ServerHandle::address)
    }
}

/// An endpoint of the tools that `config` names whose sessions end with the process.
pub(crate) fn in_memory(scope: &Scope, config: &Config) -> Result<Endpoint, Closed> {
    let sessions = sessions(scope, config, Arc::new(MemoryStorage::new()), true)?;
    Ok(Endpoint::new(sessions, KeyRing::ephemeral(), endpoint_config(config)))
}

/// The sessions of the tools that `config` names.
pub(crate) fn sessions(
    scope: &Scope,
    config: &Config,
    storage: Arc<dyn JournalStorage>,
    in_charge: bool,
) -> Result<Sessions, Closed> {
    let fence = ostler_tools::Fence::LOCAL;
    let bounds = SessionsConfig { in_charge, ..sessions_config(config) };
    Sessions::start_with(scope, tools(&config.mcp.tools), storage, fence, bounds)
}

/// Whether the tools that `config` names can do with the store that it names, or without one.
///
/// # Errors
/// [`StartError::NeedsStore`]
pub(crate) fn check(config: &Config) -> Result<(), StartError> {
    match config.tools.resume {
        Resume::Journal => Ok(()),
        Resume::Sealed => tools(&config.mcp.tools).check_sealed(),
    }
}

/// The tools of `sets`, each set once.
pub(crate) fn tools(sets: &[ToolSet]) -> Tools {
    let mut tools = Tools::new();
    if sets.contains(&ToolSet::Demo) {
        tools = tools.and(demo::tools());
    }
    tools
}

fn sessions_config(config: &Config) -> SessionsConfig {
    let tools = &config.tools;
    SessionsConfig {
        ttl: tools.ttl,
        keep_results: tools.keep_results,
        max_sessions: tools.max_sessions,
        max_sessions_per_principal: tools.max_sessions_per_principal,
        max_parked_bytes: tools.max_parked_bytes,
        max_events: tools.max_events,
        wind_down: tools.wind_down,
        task_after: tools.task_after,
        upkeep_interval: tools.upkeep_interval,
        in_charge: true,
    }
}

fn endpoint_config(config: &Config) -> EndpointConfig {
    let mcp = &config.mcp;
    EndpointConfig {
        hosts: mcp.allowed_hosts.iter().map(|host| host.as_str().to_owned()).collect(),
        list_ttl: mcp.list_ttl,
        state_ttl: config.tools.ttl,
        max_state: config.tools.max_state,
        heartbeat: mcp.heartbeat,
        session_ttl: mcp.session_ttl,
        stream_hold: mcp.stream_hold,
        retry: mcp.retry,
        poll_interval: mcp.poll_interval,
        events_buffer: mcp.events_buffer,
        ..EndpointConfig::default()
    }
}
