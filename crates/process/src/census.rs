//! One walk over all processes, and who among them belongs to an instance or to one child.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal};

use crate::mark::{GENERATION_VARIABLE, INSTANCE_VARIABLE};
use crate::procfs::{self, Stat};

/// One living process.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) stat: Stat,
    pub(crate) instance: Option<String>,
    generation: Option<String>,
    /// Its environment could not be told: it may be in the middle of an `exec`.
    unclear: bool,
}

/// Whom to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quarry {
    /// Value of `OSTLER_INSTANCE`.
    pub(crate) instance: String,
    /// Value of `OSTLER_GENERATION`; without it, everything of the instance.
    pub(crate) generation: Option<String>,
    /// The process we started, not yet reaped, so that its pid still is its session's and group's and nobody else's.
    pub(crate) leader: Option<u32>,
    /// Seen below the leader before it was told to end, by pid and start time.
    pub(crate) family: Vec<(u32, u64)>,
}

/// The living processes at one moment, kernel threads left out.
///
/// # Errors
/// `/proc` cannot be listed. A process that goes away meanwhile is not an error.
pub(crate) fn take() -> io::Result<Vec<Entry>> {
    Ok(procfs::pids()?.filter_map(Entry::of).collect())
}

impl Entry {
    fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid).ok()?;
        if !stat.is_alive() || stat.is_kernel_thread() {
            return None;
        }
        // Other users' processes cannot be read, and cannot be ours.
        let environ = procfs::environ(pid);
        let unclear = environ.as_ref().is_ok_and(Vec::is_empty);
        let environ = environ.unwrap_or_default();
        let variable = |name| procfs::variable(&environ, name).map(str::to_owned);
        Some(Self {
            stat,
            instance: variable(INSTANCE_VARIABLE),
            generation: variable(GENERATION_VARIABLE),
            unclear,
        })
    }

    /// Sends SIGKILL through a pidfd, so that it can only hit the process that was counted, and returns that pidfd.
    pub(crate) fn kill(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.stat.pid).ok()?)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // The pid may have passed on between the walk and the open; from here on it cannot.
        if Stat::of(self.stat.pid).ok()?.started != self.stat.started {
            return None;
        }
        rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).ok()?;
        Some(pidfd)
    }
}

impl Quarry {
    /// Everything with this value of `OSTLER_INSTANCE`.
    pub(crate) fn instance(mark: impl Into<String>) -> Self {
        Self { instance: mark.into(), generation: None, leader: None, family: Vec::new() }
    }

    /// Those of `census` that carry the mark, share the leader's session or group, or descend from one that does.
    pub(crate) fn select<'a>(&self, census: &'a [Entry]) -> Vec<&'a Entry> {
        let mut members: HashSet<u32> =
            census.iter().filter(|entry| self.is_seed(entry)).map(|entry| entry.stat.pid).collect();
        members.extend(self.leader);
        // A child can have a lower pid than its parent, so one pass in order of pids is not enough.
        loop {
            let before = members.len();
            for Entry { stat, .. } in census {
                if members.contains(&stat.parent) {
                    members.insert(stat.pid);
                }
            }
            if members.len() == before {
                break;
            }
        }
        census.iter().filter(|entry| members.contains(&entry.stat.pid)).collect()
    }

    fn is_seed(&self, entry: &Entry) -> bool {
        let stat = &entry.stat;
        if stat.pid == std::process::id() {
            return false;
        }
        self.is_marked(entry)
            || self.leader.is_some_and(|leader| stat.session == leader || stat.group == leader)
            || self.family.contains(&(stat.pid, stat.started))
    }

    fn is_marked(&self, entry: &Entry) -> bool {
        entry.instance.as_deref() == Some(&self.instance)
            && self.generation.as_ref().is_none_or(|wanted| entry.generation.as_ref() == Some(wanted))
    }

    /// Whether the environment of a process, read now, carries the mark.
    pub(crate) fn marks(&self, pid: u32) -> bool {
        Entry::of(pid).is_some_and(|entry| self.is_marked(&entry))
    }
}

/// Whether `census` has processes whose environment was not to be told, so that a mark may have been missed.
pub(crate) fn is_unclear(census: &[Entry]) -> bool {
    census.iter().any(|entry| entry.unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str, instance: Option<&str>) -> Entry {
        let stat = Stat::sample(line);
        let instance = instance.map(str::to_owned);
        Entry { stat, generation: instance.as_ref().map(|_| "shop#1".to_owned()), instance, unclear: false }
    }

    fn pids(quarry: &Quarry, census: &[Entry]) -> Vec<u32> {
        quarry.select(census).iter().map(|entry| entry.stat.pid).collect()
    }

    #[test]
    fn marked_ones_their_descendants_and_the_leaders_session_are_selected() {
        // pid parent group session
        let census = [
            entry("10 1 10 10", None),
            entry("20 10 20 20", Some("ours")),
            entry("15 20 15 15", None), // scrubbed its environment, left the session, child of a marked one
            entry("30 1 30 20", None),  // in the leader's session
            entry("40 1 40 40", Some("other")),
            entry("50 15 50 50", None),
        ];
        let quarry = |generation: Option<&str>, leader| Quarry {
            generation: generation.map(Into::into),
            leader,
            ..Quarry::instance("ours")
        };
        assert_eq!(pids(&quarry(Some("shop#1"), Some(20)), &census), [20, 15, 30, 50]);
        assert_eq!(pids(&quarry(None, None), &census), [20, 15, 50]);
        assert_eq!(pids(&quarry(Some("shop#2"), None), &census), [0; 0]);
    }

    #[test]
    fn whoever_was_seen_below_the_leader_is_selected_by_pid_and_start_time() {
        let census = [entry("15 1 15 15", None), entry("16 1 16 16", None)];
        let family = vec![(15, census[0].stat.started), (16, census[1].stat.started + 1)];
        assert_eq!(pids(&Quarry { family, ..Quarry::instance("ours") }, &census), [15]);
    }

    #[test]
    fn we_never_select_ourselves() {
        let own = std::process::id();
        let census = [entry(&format!("{own} 1 1 1"), Some("ours"))];
        let quarry = Quarry::instance("ours");
        assert_eq!(pids(&quarry, &census), [0; 0]);
    }
}
