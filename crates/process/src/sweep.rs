//! At the start: ending what an instance left behind that died together with its guard.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use tokio::time::Instant;

use crate::census::{Entry, Quarry};
use crate::chase::Chase;
use crate::mark::{InstanceMark, Owner, Place};
use crate::walker::Walker;
use crate::{cgroup, runtime_dir};

/// Ends what carries the mark of a dead instance of our user, and removes its cgroup and its runtime directory.
///
/// Whether an instance is dead is judged by its pid and start time, and only for marks of this boot and this pid namespace.
pub(crate) async fn sweep(walker: &Walker, root: &Path, here: &Place, budget: Duration) -> io::Result<()> {
    let deadline = Instant::now() + budget;
    let census = walker.census().await;
    let mut dead = match &*census {
        Ok(census) => orphaned(census, here),
        Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
    };
    let cgroups = cgroup::of_dead_instances(here);
    dead.extend(cgroups.keys());
    for mark in dead {
        let cgroup = cgroups.get(&mark);
        let mut chase = Chase::new(Quarry::instance(mark.to_string()), cgroup.cloned());
        tracing::warn!(instance = %mark, "ending what a dead instance left behind");
        match walker.run(&mut chase, deadline).await {
            Ok(()) => cgroup.into_iter().for_each(|path| cgroup::remove(path)),
            Err(pids) => tracing::warn!(instance = %mark, ?pids, "they are still there"),
        }
    }
    runtime_dir::sweep(root, here)
}

fn orphaned(census: &[Entry], here: &Place) -> BTreeSet<InstanceMark> {
    let own_user = rustix::process::geteuid().as_raw();
    let is_own =
        |pid: u32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|metadata| metadata.uid() == own_user);
    census
        .iter()
        .filter_map(|entry| Some((entry.stat.pid, entry.instance.as_ref()?.parse().ok()?)))
        .filter(|(pid, mark): &(u32, InstanceMark)| mark.owner(here) == Owner::Dead && is_own(*pid))
        .map(|(_, mark)| mark)
        .collect()
}
