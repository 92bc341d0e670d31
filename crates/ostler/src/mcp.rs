//! The endpoint of the Model Context Protocol, and the sessions behind it.

use std::num::NonZeroU32;
use std::sync::Arc;

use hyper::Uri;
use ostler_config::{Auth, Config, Jwks, Resume, Scope as TokenScope, ToolSet};
use ostler_http::{EventCounts, Observer, ServerConfig, ServerHandle, Tracing, serve};
use ostler_mcp::{Audit, AuthConfig, Authorizer, Endpoint, EndpointConfig, JwksSource, KeyRing, Limits};
use ostler_net::{Address, Listener};
use ostler_scope::{Closed, Scope};
use ostler_tools::{JournalStorage, MemoryStorage, Sessions, SessionsConfig, StartError, Tools};
use tokio_util::sync::CancellationToken;

use crate::demo;
use crate::host::HostError;

/// The running endpoint.
#[derive(Clone, Debug)]
pub struct Mcp {
    sessions: Sessions,
    /// What serves it, and what has happened to the connections there.
    listeners: Vec<(ServerHandle, EventCounts)>,
}

impl Mcp {
    /// Serves the tools that `config` names on `listeners`, journaled in `storage`, or carried by their clients without one.
    #[expect(clippy::too_many_arguments, reason = "each is another part of the host's")]
    pub(crate) fn start(
        scope: &Scope,
        listeners: Vec<Listener>,
        config: &Config,
        endpoint: EndpointConfig,
        storage: Option<Arc<dyn JournalStorage>>,
        keys: KeyRing,
        in_charge: bool,
        opening: &CancellationToken,
    ) -> Result<Self, HostError> {
        let sessions = match storage {
            Some(storage) => sessions(scope, config, storage, in_charge)?,
            None => Sessions::start_sealed(scope, tools(&config.mcp.tools), sessions_config(config))?,
        };
        let endpoint = Arc::new(Endpoint::new(sessions.clone(), keys, endpoint));
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
    Ok(Endpoint::new(sessions, KeyRing::ephemeral(), bounds_of(config)))
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

/// What the endpoint is to do. Keys of an authorization server that are in a file are read.
pub(crate) async fn endpoint_config(scope: &Scope, config: &Config) -> Result<EndpointConfig, HostError> {
    let auth = match auth_config(&config.mcp.auth) {
        Some(auth) => Some(Arc::new(Authorizer::open(auth).await?)),
        None => None,
    };
    let audit = match &config.mcp.audit {
        Some(path) => {
            let opened = Audit::open(path).await;
            let (audit, writer) = opened.map_err(|source| HostError::Audit { path: path.clone(), source })?;
            let stop = CancellationToken::new();
            let stopped = stop.clone();
            let writing = tokio::spawn(async move { writer.run(stopped.cancelled()).await });
            // What was made before is ended after: the last call is over when the last line is written.
            scope.ensure("audit", |_| async move {
                stop.cancel();
                // It has nothing to fail with.
                let _ = writing.await;
                Ok::<_, Closed>(())
            })?;
            Some(audit)
        }
        None => None,
    };
    Ok(EndpointConfig { auth, audit, ..bounds_of(config) })
}

/// What tokens are checked by; None if nobody is asked for one. The configuration has all of it or nothing.
fn auth_config(auth: &Auth) -> Option<AuthConfig> {
    let (issuer, audience) = (auth.issuer.as_ref()?, auth.audience.as_ref()?);
    let names = |scopes: &[TokenScope]| scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    Some(AuthConfig {
        issuer: issuer.as_str().to_owned(),
        audience: audience.as_str().to_owned(),
        jwks: match auth.jwks.as_ref()? {
            Jwks::File(path) => JwksSource::File(path.clone()),
            Jwks::Url(url) => JwksSource::Url(url.clone()),
        },
        skew: auth.skew,
        scopes: names(&auth.scopes),
        tools: auth.tools.0.iter().map(|(name, scopes)| (name.clone(), names(scopes))).collect(),
    })
}

fn bounds_of(config: &Config) -> EndpointConfig {
    let mcp = &config.mcp;
    // Whoever shows a token for it knows it by that name.
    let audience = mcp.auth.audience.as_ref().and_then(|audience| {
        let uri: Uri = audience.as_str().parse().ok()?;
        uri.host().map(str::to_ascii_lowercase)
    });
    EndpointConfig {
        hosts: mcp.allowed_hosts.iter().map(|host| host.as_str().to_owned()).chain(audience).collect(),
        limits: Limits {
            requests_per_second: mcp.max_requests_per_second.value().and_then(NonZeroU32::new),
            concurrent: mcp.max_concurrent.value().and_then(NonZeroU32::new),
        },
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
