//! The whole of Ostler in a scope: what `ostler up` runs, and what a test can start on port 0.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use ostler_config::{
    Bounds, Config, Forwarded, RequestId, Target as Configured, Traceparent, TrustedProxy, Upstream,
};
use ostler_http::{
    EventCounts, Http2Config, Observer, ServeError, ServerConfig, ServerHandle, Tracing, Workers,
    WorkersConfig,
};
use ostler_mcp::AuthError;
use ostler_net::{Address, Listener};
use ostler_pool::{Backoff, Breaker, Pool, PoolConfig};
use ostler_process::{GuardProgram, Launcher, LauncherConfig, PortRange};
use ostler_scope::{Closed, Scope, ScopeError};
use ostler_switchboard::{
    Forwarding, Identity, Naming, Routes, Switchboard, SwitchboardConfig, Target, Trust,
};
use ostler_tls::{CertificateError, Certificates, Tls};
use ostler_tools::StartError;
use ostler_upstream::EndpointConfig;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Overseen};
use crate::data::{Data, DataError};
use crate::mcp::{self, Mcp};
use crate::replace::{Estate, Program};
use crate::servers::{CommandError, Servers};
use crate::sockets::{Purpose, Sockets, SocketsError};
use crate::thrift;

/// How often a successor looks whether its predecessor has ended.
const PREDECESSOR_CHECK: Duration = Duration::from_millis(200);

/// A running Ostler. It ends with the scope it was started in: the switchboards drain first, then the servers stop, and the
/// admin listener is the last to go, so that it can tell of all that.
#[derive(Clone, Debug)]
pub struct Host {
    /// The servers.
    pub pool: Pool<Servers>,
    /// One for each listener.
    pub switchboards: Vec<Switchboard>,
    /// The endpoint of the Model Context Protocol, if the configuration has one.
    pub mcp: Option<Mcp>,
    /// The admin API.
    pub admin: Admin,
    /// Fires when somebody may be accepted.
    opening: CancellationToken,
}

/// What `ostler up` has besides its configuration.
#[derive(Debug, Default)]
pub struct HostOptions {
    /// The program that ends all children when this process is killed.
    pub guard: GuardProgram,
    /// Sockets that are bound already, which are used for the addresses they are bound to.
    pub sockets: Sockets,
    /// What can take over from this process; None when nothing can.
    pub program: Option<Program>,
    /// Whether this process takes over from another one, which shares its store.
    pub successor: bool,
}

/// Why Ostler did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (`{key}`)")]
    Listen {
        /// Where.
        address: Address,
        /// The key of the configuration that asks for it.
        key: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// What the service manager has passed does not fit.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The name in the `url` of a server has no address.
    #[error("cannot look up {name}")]
    Lookup {
        /// The name.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The name in the `url` of a server leads back here.
    #[error("the `url` of {host}, {name}, leads to Ostler itself, which listens on {address}")]
    Loop {
        /// The host pattern of the server.
        host: String,
        /// The name and the port.
        name: String,
        /// The listener.
        address: Address,
    },
    /// A certificate that could be read when the configuration was, and cannot any more.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A command that cannot be started.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What is kept on disk cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Access tokens cannot be checked.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Calls cannot be recorded.
    #[error("the audit log {} (`mcp.audit`) cannot be written", path.display())]
    Audit {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tools cannot do without a store, and there is none.
    #[error(transparent)]
    Tools(#[from] StartError),
    /// Processes cannot be started here.
    #[error(transparent)]
    Launcher(#[from] ScopeError),
    /// A listener could not be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The scope was halted meanwhile.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Host {
    /// Starts everything that `config` says in `scope`.
    ///
    /// # Errors
    /// See [`HostError`]. Every listener is bound before anything else is started.
    pub async fn start(scope: &Scope, config: &Config, options: HostOptions) -> Result<Self, HostError> {
        let HostOptions { guard, mut sockets, program, successor } = options;
        let mut estates = Vec::new();
        let mut listen = async |key, addresses| listen(key, addresses, &mut sockets, &mut estates).await;
        let admin_listeners = listen("admin.listen", &config.admin.listen).await?;
        let listeners = listen("switchboard.listen", &config.switchboard.listen).await?;
        let encrypted = listen("switchboard.tls_listen", &config.switchboard.tls_listen).await?;
        let mcp_listeners = listen("mcp.listen", &config.mcp.listen).await?;
        sockets.finish()?;
        let own = admin_listeners
            .iter()
            .chain(&listeners)
            .chain(&encrypted)
            .chain(&mcp_listeners)
            .map(Listener::address);
        let routes = routes(config, &own.collect::<Vec<_>>()).await?;

        // Until it is in charge, a successor leaves everybody to its predecessor.
        let opening = CancellationToken::new();
        if !successor {
            opening.cancel();
        }
        let tls = tls(scope, config)?;
        let listeners = listeners.into_iter().map(|listener| (listener, None));
        let listeners = listeners.chain(encrypted.into_iter().map(|listener| (listener, tls.clone())));

        let launcher = Launcher::open(scope, launcher_config(config, guard)).await?;
        let servers = Servers::new(config, launcher)?;
        let threads = config.switchboard.workers.and_then(NonZeroUsize::new);
        let workers = Workers::start(scope, WorkersConfig { threads })?;
        // Opened before the pool so that it ends after it: its subscribers hear of the last server's stop.
        let admin_scope = scope.child("admin").open()?;
        // After the admin scope for the same reason, and ended before the servers that tools may need.
        let mcp = match mcp_listeners {
            none if none.is_empty() => None,
            listeners => Some(start_mcp(scope, listeners, config, successor, &opening).await?),
        };
        let pool = Pool::start(scope, pool_config(config), servers)?;
        let events = pool.events(config.admin.events_buffer);
        let (mut switchboards, mut http_events) = (Vec::new(), Vec::new());
        for (listener, tls) in listeners {
            let mut config = switchboard_config(config);
            config.server.tls = tls;
            config.server.opening = Some(opening.clone());
            let routes = routes.clone();
            let counts = EventCounts::default();
            let observer = Tracing.and(counts.clone());
            switchboards
                .push(Switchboard::start(scope, listener, config, routes, &pool, &workers, observer)?);
            http_events.push(counts);
        }
        thrift::start(scope, &switchboards)?;
        drain_together(scope, &switchboards, mcp.as_ref().map(|(mcp, _)| mcp))?;
        let overseen = Overseen {
            root: scope,
            events,
            pool: &pool,
            switchboards: &switchboards,
            program,
            estates,
            http_events,
            mcp: mcp.clone(),
            opening: opening.clone(),
        };
        let admin = Admin::start(&admin_scope, admin_listeners, config, overseen)?;
        let (mcp, _) = mcp.unzip();
        Ok(Self { pool, switchboards, mcp, admin, opening })
    }

    /// Where it listens: the port that the system chose for port 0.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let mcp = self.mcp.iter().flat_map(Mcp::addresses);
        self.switchboards.iter().map(Switchboard::address).chain(mcp).chain(self.admin.addresses())
    }

    /// Accepts from now on, if it is a successor: it is in charge.
    pub(crate) fn open(&self) {
        self.opening.cancel();
    }

    /// Waits until everybody who was connected has been told with his next response to come back on a new connection, at most
    /// for `grace`. What is left then is for the drain.
    pub(crate) async fn gone(&self, grace: Duration) {
        let servers = self.switchboards.iter().map(Switchboard::server);
        let servers = servers.chain(self.mcp.iter().flat_map(Mcp::listeners));
        let gone = join_all(servers.map(ServerHandle::gone));
        // Whoever is left has not asked for anything in that time, or is in the middle of it.
        let _ = tokio::time::timeout(grace, gone).await;
    }
}

/// Opens what is kept on disk, and serves the endpoint with it.
async fn start_mcp(
    scope: &Scope,
    listeners: Vec<Listener>,
    config: &Config,
    successor: bool,
    opening: &CancellationToken,
) -> Result<(Mcp, Data), HostError> {
    let scope = scope.child("mcp").open()?;
    let data = Data::open(&scope, config, successor).await?;
    let in_charge = !successor;
    let storage = data.storage.clone();
    let keys = data.keys.clone();
    let endpoint = mcp::endpoint_config(&scope, config).await?;
    let mcp = Mcp::start(&scope, listeners, config, endpoint, storage, keys, in_charge, opening)?;
    if let (Some(database), true) = (data.database.clone(), successor) {
        let sessions = mcp.sessions().clone();
        drop(scope.spawn("take charge", async move {
            // As long as the predecessor is there, it goes on with what goes on by itself.
            while database.claim().is_err() {
                tokio::time::sleep(PREDECESSOR_CHECK).await;
            }
            sessions.take_charge();
            Ok::<_, Closed>(())
        })?);
    }
    Ok((mcp, data))
}

/// Drains all switchboards and the endpoint at once when `scope` halts. By themselves they would follow one another, and each
/// would take its lame-duck delay and its deadline anew.
fn drain_together(scope: &Scope, switchboards: &[Switchboard], mcp: Option<&Mcp>) -> Result<(), Closed> {
    let servers =
        switchboards.iter().map(Switchboard::server).chain(mcp.into_iter().flat_map(Mcp::listeners));
    let servers: Vec<_> = servers.cloned().collect();
    scope.ensure("drain", async move |cleanup| {
        // Each one's own end tells what was cut.
        drop(join_all(servers.iter().map(|server| server.drain_before(&cleanup.deadline))).await);
        Ok::<_, Closed>(())
    })
}

/// What TLS listeners encrypt with. Their certificates follow their files.
fn tls(scope: &Scope, config: &Config) -> Result<Option<Tls>, HostError> {
    if config.certificates.is_empty() {
        return Ok(None);
    }
    let certificates = Certificates::load(&config.certificates)?;
    certificates.watch(scope, config.switchboard.certificate_check_interval)?;
    Ok(Some(Tls::new(certificates)))
}

/// How long the slowest server may take to finish its requests and end.
pub(crate) fn longest_end(config: &Config) -> Duration {
    let ends = config.servers.iter().map(|server| server.policy.drain_timeout + server.policy.kill_timeout);
    ends.max().unwrap_or_default()
}

/// Listens on what was passed for an address, or binds it, and notes what a successor is to get.
async fn listen(
    key: &'static str,
    addresses: &[Address],
    sockets: &mut Sockets,
    estates: &mut Vec<Estate>,
) -> Result<Vec<Listener>, HostError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = match sockets.take(key, address) {
            Some(passed) => Listener::adopt(passed),
            None => Listener::bind(address).await,
        };
        let listener =
            listener.map_err(|source| HostError::Listen { address: address.clone(), key, source })?;
        estates.push(Estate {
            purpose: Purpose { key: key.to_owned(), address: address.clone() },
            address: listener.address().clone(),
            bequest: listener.bequest(),
        });
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Where each server is; `own` is where this Ostler listens.
async fn routes(config: &Config, own: &[&Address]) -> Result<Routes<Target>, HostError> {
    let mut routes = Routes::new();
    for server in &config.servers {
        let target = match &server.target {
            Configured::Command(_) | Configured::Builtin(_) => Target::Pooled,
            Configured::Url(Upstream::Address(address)) => Target::Fixed(address.clone()),
            Configured::Url(Upstream::Name { host, port }) => {
                let name = format!("{}:{port}", host.as_str());
                let lookup = |source| HostError::Lookup { name: name.clone(), source };
                let mut addresses = tokio::net::lookup_host(&name).await.map_err(lookup)?;
                let none = || lookup(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
                let address = Address::Tcp(addresses.next().ok_or_else(none)?);
                if let Some(listener) = own.iter().find(|listener| address.reaches(listener)) {
                    let (host, address) = (server.host.to_string(), Address::clone(listener));
                    return Err(HostError::Loop { host, name: name.clone(), address });
                }
                Target::Fixed(address)
            }
        };
        routes.insert(server.host.clone(), target);
    }
    Ok(routes)
}

/// What a server of our own allows its clients.
pub(crate) fn bounds(bounds: &Bounds) -> ServerConfig {
    ServerConfig {
        idle_timeout: bounds.idle_timeout,
        header_timeout: bounds.header_timeout,
        max_head_size: bounds.max_head_size,
        max_headers: bounds.max_headers,
        max_header_size: bounds.max_header_size.value(),
        max_trailer_size: bounds.max_trailer_size.value(),
        max_body_size: bounds.max_body_size.value(),
        body_timeout: bounds.body_timeout.value(),
        read_timeout: bounds.read_timeout.value(),
        min_receive_rate: bounds.min_receive_rate.value(),
        write_timeout: bounds.write_timeout.value(),
        min_send_rate: bounds.min_send_rate.value(),
        rate_window: bounds.rate_window,
        linger_timeout: bounds.linger_timeout,
        linger_size: bounds.linger_size,
        ..ServerConfig::default()
    }
}

fn launcher_config(config: &Config, guard: GuardProgram) -> LauncherConfig {
    let ports =
        PortRange { base: config.pool.base_port, rest: config.pool.port_reuse_pause, ..PortRange::default() };
    LauncherConfig { ports, guard, ..LauncherConfig::default() }
}

fn pool_config(config: &Config) -> PoolConfig {
    let pool = &config.pool;
    PoolConfig {
        max_servers: pool.max_servers,
        max_waiting: pool.max_waiting,
        max_waiting_per_server: pool.max_waiting,
        wait_timeout: config.switchboard.wait_timeout,
        max_parallel_starts: pool.max_parallel_starts,
        backoff: Backoff {
            initial: pool.backoff.initial,
            max: pool.backoff.max,
            factor: pool.backoff.factor,
            ..Backoff::default()
        },
        drain_timeout: longest_end(config),
        breaker: Breaker { failures: pool.breaker.failures, open_for: pool.breaker.open_for },
        ..PoolConfig::default()
    }
}

fn switchboard_config(config: &Config) -> SwitchboardConfig {
    let switchboard = &config.switchboard;
    let networks = switchboard.trusted_proxies.iter().filter_map(|proxy| match proxy {
        TrustedProxy::Network(network) => Some(*network),
        TrustedProxy::Unix => None,
    });
    SwitchboardConfig {
        server: ServerConfig {
            max_connections: switchboard.max_connections,
            accept_backoff: switchboard.accept_backoff,
            idle_timeout: switchboard.idle_timeout,
            header_timeout: switchboard.header_timeout,
            max_head_size: switchboard.max_head_size,
            max_headers: switchboard.max_headers,
            max_header_size: switchboard.max_header_size.value(),
            max_trailer_size: switchboard.max_trailer_size.value(),
            max_body_size: switchboard.max_body_size.value(),
            body_timeout: switchboard.body_timeout.value(),
            read_timeout: switchboard.read_timeout.value(),
            min_receive_rate: switchboard.min_receive_rate.value(),
            write_timeout: switchboard.write_timeout.value(),
            min_send_rate: switchboard.min_send_rate.value(),
            rate_window: switchboard.rate_window,
            linger_timeout: switchboard.linger_timeout,
            linger_size: switchboard.linger_size,
            lame_duck: switchboard.lame_duck,
            http2: Http2Config {
                max_streams: switchboard.http2.max_streams,
                max_resets: switchboard.http2.max_resets,
                window: switchboard.http2.window,
                send_buffer: switchboard.http2.send_buffer,
                ping_interval: switchboard.http2.ping_interval,
                ping_timeout: switchboard.http2.ping_timeout,
            },
            drain_timeout: switchboard.drain_timeout,
            ..ServerConfig::proxy()
        },
        endpoint: EndpointConfig {
            connect_timeout: switchboard.upstream_connect_timeout,
            idle_timeout: switchboard.upstream_idle_timeout,
            max_idle: switchboard.upstream_max_idle,
        },
        wait_timeout: switchboard.wait_timeout,
        half_closed_timeout: switchboard.half_closed_timeout,
        max_passes: switchboard.max_passes,
        trust: Trust {
            networks: networks.collect(),
            unix: switchboard.trusted_proxies.contains(&TrustedProxy::Unix),
        },
        forwarding: match switchboard.forwarded {
            Forwarded::Append => Forwarding::Append,
            Forwarded::Replace => Forwarding::Replace,
            Forwarded::Remove => Forwarding::Remove,
        },
        request_id: match switchboard.request_id {
            RequestId::Keep => Identity::Keep,
            RequestId::Replace => Identity::Replace,
            RequestId::Pass => Identity::Pass,
        },
        request_id_header: switchboard.request_id_header.clone(),
        trace_context: match switchboard.traceparent {
            Traceparent::Keep => Identity::Keep,
            Traceparent::Replace => Identity::Replace,
            Traceparent::Pass => Identity::Pass,
        },
        naming: Naming {
            app_header: switchboard.app_header.clone(),
            first_label: switchboard.first_label,
            default_host: switchboard.default_host.as_ref().map(|host| host.as_str().to_owned()),
        },
        ..SwitchboardConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key has a value of its own here, so that one that is forgotten or taken for another is seen.
    const CONFIGURED: &str = r#"
        [switchboard]
        app_header = "x-app"
        default_host = "a.localhost"
        first_label = true
        forwarded = "remove"
        trusted_proxies = ["unix"]
        request_id = "pass"
        request_id_header = "x-id"
        traceparent = "replace"
        wait_timeout = "1s"
        max_passes = 2
        max_connections = 3
        accept_backoff = "4ms"
        header_timeout = "5s"
        idle_timeout = "6s"
        max_head_size = 1024
        max_headers = 8
        max_header_size = 9
        max_trailer_size = 10
        max_body_size = 11
        body_timeout = "12s"
        read_timeout = "13s"
        min_receive_rate = 14
        write_timeout = "15s"
        min_send_rate = 16
        rate_window = "17s"
        linger_timeout = "18s"
        linger_size = 19
        lame_duck = "20s"
        half_closed_timeout = "21s"
        upstream_connect_timeout = "22s"
        upstream_idle_timeout = "23s"
        upstream_max_idle = 24
        drain_timeout = "25s"
        [switchboard.http2]
        max_streams = 26
        max_resets = 27
        window = 70_000
        send_buffer = 71_000
        ping_interval = "30s"
        ping_timeout = "31s"
        [[server]]
        host = "a.localhost"
        builtin = "echo"
    "#;

    #[test]
    fn what_the_configuration_says_of_the_switchboard_reaches_it() {
        const fn seconds(seconds: u64) -> Duration {
            Duration::from_secs(seconds)
        }
        let expected = SwitchboardConfig {
            server: ServerConfig {
                max_connections: 3,
                accept_backoff: Duration::from_millis(4),
                idle_timeout: seconds(6),
                header_timeout: seconds(5),
                max_head_size: 1024,
                max_headers: 8,
                http2: Http2Config {
                    max_streams: 26,
                    max_resets: 27,
                    window: 70_000,
                    send_buffer: 71_000,
                    ping_interval: seconds(30),
                    ping_timeout: seconds(31),
                },
                tls: None,
                max_header_size: Some(9),
                max_trailer_size: Some(10),
                max_body_size: Some(11),
                body_timeout: Some(seconds(12)),
                read_timeout: Some(seconds(13)),
                min_receive_rate: Some(14),
                write_timeout: Some(seconds(15)),
                min_send_rate: Some(16),
                rate_window: seconds(17),
                linger_timeout: seconds(18),
                linger_size: 19,
                opening: None,
                admission: ServerConfig::proxy().admission,
                lame_duck: seconds(20),
                drain_timeout: seconds(25),
            },
            endpoint: EndpointConfig {
                connect_timeout: seconds(22),
                idle_timeout: seconds(23),
                max_idle: 24,
            },
            wait_timeout: seconds(1),
            half_closed_timeout: seconds(21),
            max_passes: 2,
            remembered_hosts: SwitchboardConfig::default().remembered_hosts,
            trust: Trust { networks: Vec::new(), unix: true },
            forwarding: Forwarding::Remove,
            request_id: Identity::Pass,
            request_id_header: "x-id".parse().unwrap(),
            trace_context: Identity::Replace,
            naming: Naming {
                app_header: Some("x-app".parse().unwrap()),
                first_label: true,
                default_host: Some("a.localhost".to_owned()),
            },
        };
        let configured = switchboard_config(&Config::parse(CONFIGURED, "ostler.toml").unwrap());
        assert_eq!(format!("{configured:#?}"), format!("{expected:#?}"));
    }
}
