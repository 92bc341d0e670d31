//! At the start: ending what an instance left behind that died together with its guard.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use tokio::time::{Instant, sleep};

use crate::census::{Entry, Quarry};
use crate::mark::{InstanceMark, Owner, Place};
use crate::walker::Walker;
use crate::{cgroup, runtime_dir};

const PAUSE: Duration = Duration::from_millis(5);

/// Ends what carries the mark of a dead instance of our user, and removes its cgroup and its runtime directory.
///
/// Whether an instance is dead is judged by its pid and start time, and only for marks of this boot and this pid namespace.
pub(crate) async fn sweep(walker: &Walker, root: &Path, here: &Place, budget: Duration) -> io::Result<()> {
    let deadline = Instant::now() + budget;
    cgroup::sweep(here);
    let first = walker.census().await;
    let orphaned = match &*first {
        Ok(census) => orphaned(census, here),
        Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
    };
    for mark in orphaned {
        let quarry = Quarry::instance(mark.to_string());
        loop {
            let round = walker.strike(&quarry).await?;
            if round.pids.is_empty() {
                break;
            }
            tracing::warn!(instance = %mark, pids = ?round.pids, "ended what a dead instance left behind");
            if Instant::now() >= deadline {
                tracing::warn!(instance = %mark, "a dead instance's processes are still there");
                break;
            }
            sleep(PAUSE).await;
        }
    }
    cgroup::sweep(here);
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
