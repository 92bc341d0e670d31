//! A cgroup per child where there is a writable cgroup v2: `cgroup.kill` ends everything in it at once, forks included.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mark::{InstanceMark, Owner, Place};

const PREFIX: &str = "ostler-";

/// The cgroup of one instance, below our own. Children get one each below it.
#[derive(Debug)]
pub(crate) struct InstanceCgroup {
    path: PathBuf,
    next: AtomicU64,
}

/// The cgroup of one child. Must be empty before it can be removed.
#[derive(Debug)]
pub(crate) struct ChildCgroup {
    path: PathBuf,
}

impl InstanceCgroup {
    /// Creates `<own cgroup>/ostler-<mark>`, or nothing when there is no cgroup v2, or none that we may write and kill.
    pub(crate) fn create(mark: &InstanceMark) -> Option<Self> {
        let path = own_cgroup()?.join(format!("{PREFIX}{mark}"));
        fs::create_dir(&path).ok()?;
        // The kill switch is newer (5.14) than the hierarchy.
        if rustix::fs::access(path.join("cgroup.kill"), rustix::fs::Access::WRITE_OK).is_err() {
            let _ = fs::remove_dir(&path);
            return None;
        }
        Some(Self { path, next: AtomicU64::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn child(&self) -> io::Result<ChildCgroup> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(number.to_string());
        fs::create_dir(&path)?;
        Ok(ChildCgroup { path })
    }
}

impl ChildCgroup {
    /// What `clone3` wants in order to start a process inside.
    pub(crate) fn directory(&self) -> io::Result<OwnedFd> {
        Ok(File::open(&self.path)?.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The processes inside.
    pub(crate) fn members(&self) -> Vec<u32> {
        fs::read_to_string(self.path.join("cgroup.procs"))
            .map(|list| list.lines().filter_map(|pid| pid.parse().ok()).collect())
            .unwrap_or_default()
    }

    pub(crate) fn remove(&self) {
        remove(&self.path);
    }
}

/// SIGKILL to everything inside, also to what is being forked meanwhile.
pub(crate) fn kill(path: &Path) -> io::Result<()> {
    fs::write(path.join("cgroup.kill"), "1")
}

/// Whether something lives inside; zombies do not.
pub(crate) fn is_populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// Removes a cgroup and those below it.
pub(crate) fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    if let Err(error) = fs::remove_dir(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a cgroup stays behind");
    }
}

/// The cgroups of dead instances below our own.
pub(crate) fn of_dead_instances(here: &Place) -> BTreeMap<InstanceMark, PathBuf> {
    let entries = own_cgroup().and_then(|own| fs::read_dir(own).ok());
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let mark: InstanceMark = entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            (mark.owner(here) == Owner::Dead).then(|| (mark, entry.path()))
        })
        .collect()
}

/// Where our own cgroup is mounted: the unified hierarchy alone, or beside the old ones.
fn own_cgroup() -> Option<PathBuf> {
    let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    locate(&memberships, &mounts)
}

fn locate(memberships: &str, mounts: &str) -> Option<PathBuf> {
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Deleted under us: there is no directory to create one in.
    if own.ends_with(" (deleted)") {
        return None;
    }
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // A container may see only a part of the hierarchy mounted.
        let below = Path::new(own).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_found_beside_old_ones() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      31 25 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(locate("4:memory:/a\n0::/b/c\n", mounts), Some("/sys/fs/cgroup/unified/b/c".into()));
    }

    #[test]
    fn a_part_mounted_in_a_container_is_entered_at_its_root() {
        let mounts = "31 25 0:27 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(locate("0::/docker/x/sub\n", mounts), Some("/sys/fs/cgroup/sub".into()));
        assert_eq!(locate("0::/elsewhere\n", mounts), None);
    }

    #[test]
    fn without_cgroup_v2_there_is_none() {
        assert_eq!(locate("4:memory:/a\n", "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"), None);
        assert_eq!(locate("0::/gone (deleted)\n", "31 25 0:27 / /c rw - cgroup2 cgroup2 rw\n"), None);
    }
}
