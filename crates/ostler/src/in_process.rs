//! Servers in this process: a service on a port of its own.

use std::io;

use bytes::Bytes;
use futures::future::pending;
use http::{Request, Response};
use http_body::Body;
use hyper_util::service::TowerToHyperService;
use ostler_http::{Drain, RequestBody, ServeError, ServerConfig, ServerHandle, Tracing, serve};
use ostler_net::{Address, Listener};
use ostler_pool::{Factory, Key, Policy, Resource, Start};
use ostler_process::{NoFreePort, Port, Ports};
use ostler_scope::{BoxError, Deadline, ScopeHandle};
use tower::Service;

/// How often another port is tried when somebody takes the one that was just free.
const PORTS_TRIED: usize = 8;

/// A server in this process, listening on a loopback port of its own.
#[derive(Debug)]
pub struct InProcess {
    server: ServerHandle,
    #[expect(dead_code, reason = "held so that nobody else is given the port")]
    port: Port,
}

/// What a service is made for: one server of a pool.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Whose requests it will get.
    pub key: Key,
    /// Where it listens.
    pub address: Address,
    /// The server's scope, for what the service starts itself: it ends with the server.
    pub scope: ScopeHandle,
}

/// Why a server in this process did not start.
#[derive(Debug, thiserror::Error)]
pub enum InProcessError {
    /// Every port of the range is taken.
    #[error(transparent)]
    NoFreePort(#[from] NoFreePort),
    /// The port cannot be listened on.
    #[error("cannot listen on port {port}")]
    Bind {
        /// The port.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// The server was stopped before it had started.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl InProcess {
    /// Serves what `make` makes on a port of `ports`, in the scope of `start`, within the bounds of `config`.
    ///
    /// # Errors
    /// See [`InProcessError`].
    pub async fn start<S, B>(
        start: &Start,
        ports: &Ports,
        config: ServerConfig,
        make: impl FnOnce(Assignment) -> S,
    ) -> Result<Self, InProcessError>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (listener, port) = listen(ports).await?;
        let (address, scope) = (listener.address().clone(), start.scope.handle());
        let service = TowerToHyperService::new(make(Assignment { key: start.key.clone(), address, scope }));
        let server =
            serve(&start.scope, "server", listener, config, Tracing, move |_connection| service.clone())?;
        Ok(Self { server, port })
    }
}

/// Somebody else may take a port between the look and the bind: then the next one is tried.
async fn listen(ports: &Ports) -> Result<(Listener, Port), InProcessError> {
    let mut tried = 0;
    loop {
        let port = ports.take()?;
        tried += 1;
        let address = Address::Tcp(([127, 0, 0, 1], port.number()).into());
        match Listener::bind(&address).await {
            Ok(listener) => return Ok((listener, port)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tried < PORTS_TRIED => {}
            Err(source) => return Err(InProcessError::Bind { port: port.number(), source }),
        }
    }
}

impl Resource for InProcess {
    type Address = Address;

    fn address(&self) -> Address {
        self.server.address().clone()
    }

    async fn exited(&self) -> BoxError {
        // It lives as long as its scope, and the scope's failure is reported by the pool.
        pending().await
    }

    async fn check(&self) -> Result<(), BoxError> {
        // It cannot be unwell in a way that this process would survive.
        Ok(())
    }

    async fn drain(&self, deadline: Deadline) {
        match self.server.drain(deadline).await {
            Drain::Drained { .. } => {}
            cut @ (Drain::TimedOut(_) | Drain::Forced(_) | Drain::SupervisorFailed) => {
                tracing::warn!(%cut, "server in this process");
            }
        }
    }
}

/// A pool's factory of services in this process: `make` makes the service of each server.
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use ostler::{Assignment, InProcessServers, PortRange, Ports, RequestBody};
///
/// let ports = Ports::new(PortRange::default());
/// let servers = InProcessServers::new(ports, |assignment: Assignment| {
///     let hello = format!("hello from {}\n", assignment.key);
///     tower::service_fn(move |_request: Request<RequestBody>| {
///         let hello = hello.clone();
///         async move { Ok::<_, Infallible>(Response::new(hello)) }
///     })
/// });
/// # let _ = servers;
/// ```
#[derive(Clone, Debug)]
pub struct InProcessServers<M> {
    ports: Ports,
    policy: Policy,
    config: ServerConfig,
    make: M,
}

impl<M> InProcessServers<M> {
    /// Servers on `ports` with the default policy.
    pub fn new(ports: Ports, make: M) -> Self {
        Self { ports, policy: Policy::default(), config: ServerConfig::default(), make }
    }

    /// Gives all of them another policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Gives all of them other bounds for their clients.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = config;
        self
    }
}

impl<M, S, B> Factory for InProcessServers<M>
where
    M: Fn(Assignment) -> S + Send + Sync + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Resource = InProcess;

    fn policy(&self, _key: &Key) -> Policy {
        self.policy.clone()
    }

    async fn start(&self, start: Start) -> Result<InProcess, BoxError> {
        Ok(InProcess::start(&start, &self.ports, self.config.clone(), &self.make).await?)
    }
}
