//! Whether the port is our child's: an accepted connection alone could be anybody's server.

use std::collections::HashSet;
use std::io;

use crate::census::Quarry;
use crate::cgroup::ChildCgroup;
use crate::listeners::Which;
use crate::{listeners, procfs};

/// Who has a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Every socket asked for is open in a process of the child.
    Ours,
    Nobody,
    /// At least one is open in none.
    Other,
}

/// Looks at the child itself first, which nearly always is the answer, then at what it started, and only then at all processes.
pub(crate) fn holder(
    port: u16,
    which: Which,
    leader: u32,
    quarry: &Quarry,
    cgroup: Option<&ChildCgroup>,
) -> io::Result<Holder> {
    let mut unclaimed = listeners::on_port(port, which)?;
    if unclaimed.is_empty() {
        return Ok(Holder::Nobody);
    }
    let mut seen = HashSet::new();
    let mut claims = |pid: u32| {
        if seen.insert(pid) {
            procfs::claim_sockets(pid, &mut unclaimed);
        }
        unclaimed.is_empty()
    };
    if claims(leader)
        || procfs::family(leader).into_iter().any(&mut claims)
        || cgroup.is_some_and(|cgroup| cgroup.members().into_iter().any(&mut claims))
        || procfs::pids()?.filter(|pid| quarry.marks(*pid)).any(&mut claims)
    {
        return Ok(Holder::Ours);
    }
    // It may have been closed while we looked: what counts is that someone else's is there now.
    let still = listeners::on_port(port, which)?;
    Ok(if unclaimed.is_disjoint(&still) { Holder::Nobody } else { Holder::Other })
}
