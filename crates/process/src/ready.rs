//! Waiting for a child to serve, raced against its end, under one deadline.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ostler_net::{Address, Stream};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::StartError;
use crate::leader::{Exit, Leader};
use crate::listeners::Which;
use crate::pace::Pace;
use crate::probe::Readiness;
use crate::proof::{self, Holder};
use crate::running::{Listening, Running};

/// How long one probe may take before the next is tried: a server that hangs on its first request may answer the second.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the last words of an ended child are waited for, when something it left behind keeps its stderr open.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// Lines of stderr an error carries.
pub(crate) const TAIL: usize = 20;

/// What a child is told to listen on, as needed to look at it.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Port(u16),
    Socket(Address),
}

impl From<&Listening> for Expected {
    fn from(listening: &Listening) -> Self {
        match listening {
            Listening::Port(port) => Self::Port(port.number()),
            Listening::Socket(path) => Self::Socket(Address::Unix(path.path().to_owned())),
        }
    }
}

/// A child that is starting.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    pub(crate) running: &'a Running,
    pub(crate) leader: &'a Leader,
    pub(crate) expected: Expected,
    pub(crate) readiness: &'a Readiness,
}

/// Not ready: what the last look saw, or why no look will see it.
enum NotReady {
    Yet(String),
    Never(StartError),
}

impl Waiting<'_> {
    /// Where it serves. Cancel safe.
    pub(crate) async fn ready(&self, began: Instant, deadline: Instant) -> Result<Address, StartError> {
        let last = Mutex::new(String::from("not looked at yet"));
        tokio::select! {
            biased;
            exit = self.leader.exited() => Err(self.ended_early(exit).await),
            () = sleep_until(deadline) => Err(StartError::ReadyTimeout {
                after: deadline.saturating_duration_since(began),
                last: last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                tail: self.running.sink.ring.tail(TAIL),
            }),
            result = self.look_until_ready(&last) => result,
        }
    }

    async fn look_until_ready(&self, last: &Mutex<String>) -> Result<Address, StartError> {
        let pace = Pace::new()?;
        let mut proven = None;
        loop {
            match self.look(&mut proven).await {
                // What answered may have been a daemon that the leader left behind.
                Ok(address) => {
                    return match self.leader.exit() {
                        Some(exit) => Err(self.ended_early(exit).await),
                        None => Ok(address),
                    };
                }
                Err(NotReady::Yet(why)) => *last.lock().unwrap_or_else(PoisonError::into_inner) = why,
                Err(NotReady::Never(error)) => return Err(error),
            }
            pace.pause().await?;
        }
    }

    /// One look. `proven` is where it accepts, once that is known to be the child itself.
    async fn look(&self, proven: &mut Option<Address>) -> Result<Address, NotReady> {
        let address = match proven {
            Some(address) => address,
            None => proven.insert(self.accepts().await?),
        };
        if let Readiness::Probe(probe) = self.readiness {
            match timeout(PROBE_PATIENCE, probe.probe(address)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(NotReady::Yet(error.to_string())),
                Err(_) => {
                    return Err(NotReady::Yet(format!("no answer to a probe within {PROBE_PATIENCE:?}")));
                }
            }
        }
        Ok(address.clone())
    }

    async fn accepts(&self) -> Result<Address, NotReady> {
        let port = match &self.expected {
            // Nobody else can create a socket in our directory, so it needs no proof.
            Expected::Socket(address) => return connect(address.clone()).await,
            Expected::Port(port) => *port,
        };
        let loopback = |ip| Address::Tcp(SocketAddr::new(ip, port));
        let address = match connect(loopback(Ipv4Addr::LOCALHOST.into())).await {
            Ok(address) => address,
            // Some servers listen on the first address of `localhost` alone.
            Err(refused) => connect(loopback(Ipv6Addr::LOCALHOST.into())).await.map_err(|_| refused)?,
        };
        match self.holder(port, Which::Listening) {
            Ok(Holder::Ours) => Ok(address),
            Ok(Holder::Nobody) => Err(NotReady::Yet(format!("nobody listens on port {port} any more"))),
            Ok(Holder::Other) => Err(NotReady::Never(self.taken(port))),
            Err(error) => Err(NotReady::Yet(format!("cannot tell who listens on port {port}: {error}"))),
        }
    }

    fn holder(&self, port: u16, which: Which) -> std::io::Result<Holder> {
        proof::holder(port, which, self.leader.pid(), &self.running.quarry, self.running.cgroup.as_ref())
    }

    fn taken(&self, port: u16) -> StartError {
        StartError::PortTakenByOther { port, tail: self.running.sink.ring.tail(TAIL) }
    }

    async fn ended_early(&self, exit: Exit) -> StartError {
        let _ = timeout(LAST_WORDS, self.running.sink.ended()).await;
        // Most servers end when they cannot have their port. Whether that was it is seen from who has it, if only for a connection.
        if let Expected::Port(port) = self.expected
            && let Ok(Holder::Other) = self.holder(port, Which::Any)
        {
            return self.taken(port);
        }
        StartError::ExitedEarly { exit, tail: self.running.sink.ring.tail(TAIL) }
    }
}

async fn connect(address: Address) -> Result<Address, NotReady> {
    match Stream::connect(&address).await {
        Ok(_) => Ok(address),
        Err(error) => Err(NotReady::Yet(format!("connecting to {address}: {error}"))),
    }
}
