//! The bounds of one server.

use std::sync::Arc;
use std::time::Duration;

/// How long a server may take for everything it does, and when it has to go. Asked of the
/// [`Factory`](crate::Factory) whenever a key is called that has no ready server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A maximum that this server shares with others, such as all hosts of one wildcard rule.
    pub quota: Option<Quota>,
    /// Stopped after this long without a lease; `None` pins it until it is asked to go or the pool needs its place.
    pub idle_timeout: Option<Duration>,
    /// From the start to ready. The factory is told the deadline, so that it can say what it was waiting for.
    pub start_timeout: Duration,
    /// How much longer than `start_timeout` the pool waits for the factory's own account before it ends the start.
    pub start_grace: Duration,
    /// How long leases may go on after the server was told to go; what is left then is cut off.
    pub drain_timeout: Duration,
    /// How long [`Resource::drain`](crate::Resource::drain) may take once nothing is leased.
    pub stop_timeout: Duration,
    /// How long the teardown of the server's scope may take before what is stuck in it is abandoned and named.
    pub cleanup_timeout: Duration,
    /// The pause between two health checks of a ready server; `None` for none.
    pub check_interval: Option<Duration>,
    /// How long one check may take; longer is a failed one.
    pub check_timeout: Duration,
    /// After this many failed checks in a row the server is drained; the next call starts another. At least 1.
    pub unhealthy_after: u32,
    /// A server this old takes no new leases and goes when the last one ends.
    pub max_age: Option<Duration>,
    /// The number of leases after which a server takes no new ones. Exact: there is never one more. At least 1.
    pub max_uses: Option<u64>,
}

/// A maximum of its own for some of the pool's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Servers with the same name count together.
    pub name: Arc<str>,
    /// How many of them may exist at once. Of two policies that differ the later one holds.
    pub max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quota: None,
            idle_timeout: Some(Duration::from_secs(600)),
            start_timeout: Duration::from_secs(30),
            start_grace: Duration::from_millis(100),
            drain_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
            cleanup_timeout: Duration::from_secs(10),
            check_interval: None,
            check_timeout: Duration::from_secs(5),
            unhealthy_after: 3,
            max_age: None,
            max_uses: None,
        }
    }
}

impl Quota {
    /// At most `max` servers under `name`.
    pub fn new(name: impl Into<Arc<str>>, max: usize) -> Self {
        Self { name: name.into(), max }
    }
}
