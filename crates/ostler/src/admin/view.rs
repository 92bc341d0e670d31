//! What the admin API says, as JSON. The command line reads the same types.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_millis;
use ostler_net::Address;
use ostler_pool::{ServerInfo, WhyAlive};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A server at the moment it was asked about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerView {
    /// The host it serves.
    pub key: String,
    /// Which one of that key; numbers rise by one with each server of this Ostler.
    pub generation: u64,
    /// `reserved`, `starting`, `ready`, `draining` or `stopping`.
    pub state: String,
    /// Where it serves, once it is ready: `127.0.0.1:9000` or `unix:/path`.
    pub address: Option<String>,
    /// The port of that address.
    pub port: Option<u16>,
    /// Its process, if it has one of its own.
    pub pid: Option<u32>,
    /// When its start began, in the notation of RFC 3339.
    pub started_at: Option<String>,
    /// When it was ready.
    pub ready_at: Option<String>,
    /// Seconds since its start began.
    pub age_seconds: Option<f64>,
    /// Requests and connections that use it now.
    pub leases: u32,
    /// Requests and connections it has been given so far.
    pub requests: u64,
    /// Seconds since the last use ended; zero while it is in use.
    pub idle_seconds: f64,
    /// Why it is not gone.
    pub why_alive: WhyAliveView,
    /// The host pattern of the `[[server]]` it was started by.
    pub rule: Option<String>,
}

/// Why a server is not gone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum WhyAliveView {
    /// Calls wait for it to be ready.
    Starting {
        /// How many.
        waiters: usize,
    },
    /// It is in use.
    Leased {
        /// By how many requests and connections.
        leases: u32,
    },
    /// It is not in use, and stops when that has lasted long enough.
    Idle {
        /// Seconds until then.
        remaining_seconds: f64,
    },
    /// It is not in use, and has no idle timeout.
    Pinned,
    /// It was told to go, and waits for those who use it.
    Draining {
        /// How many they are.
        leases: u32,
        /// Seconds until they are cut off.
        remaining_seconds: f64,
    },
    /// It is being torn down.
    Stopping,
}

/// All that is known about one server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerDetails {
    /// What the list says of it.
    #[serde(flatten)]
    pub server: ServerView,
    /// Its command with the placeholders still in it; absent when it is no child process.
    pub command: Option<Vec<String>>,
    /// The last lines it wrote, oldest first.
    pub output: Vec<OutputLine>,
    /// The last failures under this key, newest first.
    pub failures: Vec<FailureView>,
}

/// A line that a child wrote.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OutputLine {
    /// When it was read.
    pub at: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The line.
    pub text: String,
}

/// A server that failed, before it was ready or after.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FailureView {
    /// The id of the event that told of it.
    pub event: String,
    /// When.
    pub at: String,
    /// Whose server.
    pub key: String,
    /// Which one.
    pub generation: Option<u64>,
    /// Whether it had been ready, or failed at its start.
    pub was_ready: bool,
    /// What happened in one line.
    pub error: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    /// The last lines the child wrote to stderr, or to stdout when it wrote none there.
    pub output: Vec<String>,
    /// Its command with the placeholders still in it.
    pub command: Option<Vec<String>>,
}

/// A server that was stopped because somebody asked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoppedView {
    /// Its key.
    pub key: String,
    /// Which one of that key.
    pub generation: u64,
    /// How long that took.
    pub elapsed_seconds: f64,
}

/// How one listener of the switchboard drained.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ListenerDrained {
    /// The listener.
    pub address: String,
    /// Whether all requests in flight were finished.
    pub drained: bool,
    /// Responses since the start; only when drained.
    pub served: Option<u64>,
    /// Connections since the start that ended with bytes of a next request unanswered; only when drained.
    pub dropped_pipelined: Option<u64>,
    /// From the request to drain to the end of the last connection; only when drained.
    pub elapsed_seconds: Option<f64>,
    /// Connections left at the deadline that were cut.
    pub aborted: usize,
    /// Connections that could not even be cut.
    pub stuck: usize,
    /// All of that in words.
    pub summary: String,
}

/// How a drain went.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrainView {
    /// Whether every listener drained before the deadline.
    pub drained: bool,
    /// Each listener of the switchboard.
    pub listeners: Vec<ListenerDrained>,
}

/// One scope, task, thread or finalizer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScopeView {
    /// Its name; the names from the root are its path in errors.
    pub name: String,
    /// `scope`, `group`, `task`, `daemon`, `supervised`, `blocking`, `thread` or `finalizer`.
    pub kind: String,
    /// `live`, `halting` or `ended`.
    pub state: String,
    /// Seconds since it was created.
    pub age_seconds: f64,
    /// What it owns, in order of creation.
    #[schema(no_recursion)]
    pub children: Vec<ScopeView>,
}

/// How Ostler is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// `alive`, `ready` or `draining`.
    pub status: String,
}

// === impl ServerView ===

impl ServerView {
    pub(super) fn new(info: &ServerInfo<Address>, rule: Option<String>) -> Self {
        let age = info.started_at.and_then(|at| SystemTime::now().duration_since(at).ok());
        Self {
            key: info.key.to_string(),
            generation: info.generation.number(),
            state: info.state.as_str().to_owned(),
            address: info.address.as_ref().map(Address::to_string),
            port: info.address.as_ref().and_then(Address::port),
            pid: info.pid,
            started_at: info.started_at.map(rfc3339),
            ready_at: info.ready_at.map(rfc3339),
            age_seconds: age.map(seconds),
            leases: info.leases,
            requests: info.served,
            idle_seconds: seconds(info.idle),
            why_alive: info.why_alive.into(),
            rule,
        }
    }
}

impl From<WhyAlive> for WhyAliveView {
    fn from(why: WhyAlive) -> Self {
        match why {
            WhyAlive::StartingFor { waiters } => Self::Starting { waiters },
            WhyAlive::Leased { leases } => Self::Leased { leases },
            WhyAlive::IdleFor { remaining } => Self::Idle { remaining_seconds: seconds(remaining) },
            WhyAlive::Pinned => Self::Pinned,
            WhyAlive::Draining { leases, remaining } => {
                Self::Draining { leases, remaining_seconds: seconds(remaining) }
            }
            WhyAlive::Stopping => Self::Stopping,
        }
    }
}

/// A point in time in the notation of RFC 3339, to the millisecond.
pub(super) fn rfc3339(at: SystemTime) -> String {
    format_rfc3339_millis(at).to_string()
}

/// Seconds, to the millisecond: nobody reads more.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
