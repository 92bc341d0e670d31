//! Ports for servers: from a base upwards, never one twice at a time, and a freed one only after a rest.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::time::Instant;

/// Which ports are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first one; 9000 unless told otherwise. Better not among those the kernel gives to outgoing connections
    /// (`net.ipv4.ip_local_port_range`), any of which may take a port between the look and the server.
    pub base: u16,
    /// How many from there on; 10,000 unless told otherwise, cut at 65,535.
    pub count: u16,
    /// How long a freed port rests. One minute by default, which is how long the kernel remembers closed connections of a port
    /// (`TIME_WAIT`), so that a server that does not set `SO_REUSEADDR` can still take it.
    pub rest: Duration,
    /// How many ports rest at most; beyond, the one that rested longest is handed out early. 1,024 by default.
    pub max_resting: usize,
}

impl Default for PortRange {
    fn default() -> Self {
        Self { base: 9000, count: 10_000, rest: Duration::from_secs(60), max_resting: 1024 }
    }
}

/// The ports of one range. Clones share it.
#[derive(Clone)]
pub struct Ports {
    range: PortRange,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    taken: BTreeSet<u16>,
    /// Oldest first.
    resting: VecDeque<(Instant, u16)>,
}

/// A port that is nobody else's while this value lives; dropping it starts its rest.
pub struct Port {
    number: u16,
    ports: Ports,
}

/// Every port of the range is taken, by us or by someone else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no free port from {first} to {last}")]
pub struct NoFreePort {
    /// The first port of the range.
    pub first: u16,
    /// The last port of the range.
    pub last: u16,
}

impl Ports {
    /// Hands out the ports of `range`.
    pub fn new(range: PortRange) -> Self {
        Self { range, state: Arc::default() }
    }

    /// The lowest port that is not handed out, not resting, and not held by another program at this moment.
    ///
    /// # Errors
    /// There is none left.
    pub fn take(&self) -> Result<Port, NoFreePort> {
        let first = self.range.base;
        let last = first.saturating_add(self.range.count.saturating_sub(1));
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.resting.front().is_some_and(|(since, _)| now.duration_since(*since) >= self.range.rest) {
            state.resting.pop_front();
        }
        let resting: BTreeSet<u16> = state.resting.iter().map(|(_, port)| *port).collect();
        let number = (first..=last)
            .find(|port| !state.taken.contains(port) && !resting.contains(port) && is_free(*port))
            .or_else(|| state.resting.iter().map(|(_, port)| *port).find(|port| is_free(*port)))
            .ok_or(NoFreePort { first, last })?;
        state.resting.retain(|(_, port)| *port != number);
        state.taken.insert(number);
        Ok(Port { number, ports: self.clone() })
    }
}

impl Port {
    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let mut state = self.ports.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken.remove(&self.number);
        state.resting.push_back((Instant::now(), self.number));
        if state.resting.len() > self.ports.range.max_resting {
            state.resting.pop_front();
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.number)
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ports").field(&self.range).finish()
    }
}

/// Whether a server could take the port on any address. Binds without listening, so nobody can connect meanwhile.
///
/// Only a first look: somebody may take it before the child does, which readiness finds out.
fn is_free(port: u16) -> bool {
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    // The dual-stack wildcard collides with a listener of either family; without IPv6 there is only the other.
    match bind(AddressFamily::INET6, any_v6) {
        Ok(()) => true,
        Err(rustix::io::Errno::ADDRINUSE | rustix::io::Errno::ACCESS) => false,
        Err(_) => bind(AddressFamily::INET, any_v4).is_ok(),
    }
}

fn bind(family: AddressFamily, address: SocketAddr) -> rustix::io::Result<()> {
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)
}
