//! A server as its observers see it.

use std::fmt;
use std::time::{Duration, SystemTime};

use ostler_scope::ScopeHandle;

use crate::{Generation, Key};

/// What is known about one server at the moment it was asked.
#[derive(Clone)]
pub struct ServerInfo<A> {
    /// Under which name it is called.
    pub key: Key,
    /// Which one of that name.
    pub generation: Generation,
    /// Where in its life it is.
    pub state: ServerState,
    /// Where it serves, once it is ready.
    pub address: Option<A>,
    /// The child process behind it, if there is one.
    pub pid: Option<u32>,
    /// When the factory was asked for it; `None` while it only has a place.
    pub started_at: Option<SystemTime>,
    /// When it could first be leased.
    pub ready_at: Option<SystemTime>,
    /// The scope that everything of this server lives in; `None` while it only has a place.
    pub task: Option<ScopeHandle>,
    /// Leases out now.
    pub leases: u32,
    /// Leases given so far.
    pub served: u64,
    /// How long nothing has been leased; zero while something is.
    pub idle: Duration,
    /// What keeps it from being gone.
    pub why_alive: WhyAlive,
}

/// Where in its life a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerState {
    /// Has a place, waits for its turn to start.
    Reserved,
    /// The factory is at work.
    Starting,
    /// Can be leased.
    Ready,
    /// Takes no new leases, waits for those that are out.
    Draining,
    /// Is being torn down.
    Stopping,
}

/// What keeps a server from being gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyAlive {
    /// Calls wait for it to be ready. Zero when they have all gone away: it will be idle then.
    StartingFor {
        /// How many.
        waiters: usize,
    },
    /// Somebody uses it.
    Leased {
        /// How many leases.
        leases: u32,
    },
    /// Nobody uses it, and it goes when that has lasted long enough.
    IdleFor {
        /// How much longer.
        remaining: Duration,
    },
    /// Nobody uses it, and it has no idle timeout.
    Pinned,
    /// Told to go; waits for leases to end.
    Draining {
        /// How many are left.
        leases: u32,
        /// When they are cut off.
        remaining: Duration,
    },
    /// Its teardown has not finished.
    Stopping,
}

impl ServerState {
    /// The state as one lower-case word, for metrics and interfaces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for WhyAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartingFor { waiters: 1 } => f.write_str("starting for 1 call"),
            Self::StartingFor { waiters } => write!(f, "starting for {waiters} calls"),
            Self::Leased { leases: 1 } => f.write_str("1 lease"),
            Self::Leased { leases } => write!(f, "{leases} leases"),
            Self::IdleFor { remaining } => write!(f, "idle, stops in {}s", remaining.as_secs()),
            Self::Pinned => f.write_str("no idle timeout"),
            Self::Draining { leases, remaining } => {
                write!(f, "draining, {leases} leases, cut off in {}s", remaining.as_secs())
            }
            Self::Stopping => f.write_str("stopping"),
        }
    }
}
