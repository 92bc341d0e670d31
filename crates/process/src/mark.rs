//! The marks children and all their descendants inherit: which Ostler started them, and as which generation of which server.

use std::str::FromStr;
use std::{fmt, fs, io};

use crate::guard;
use crate::procfs::{self, Stat};

/// Environment variable with the [`InstanceMark`].
pub const INSTANCE_VARIABLE: &str = "OSTLER_INSTANCE";

/// Environment variable with `key#generation`.
pub const GENERATION_VARIABLE: &str = "OSTLER_GENERATION";

/// Names one run of one Ostler: `boot-pidns-pid-started-random`, all hexadecimal.
///
/// Pid and start time tell whether the owner lives, boot id and pid namespace whether we are able to judge that, and the
/// random part tells two launchers of one process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceMark {
    boot: u32,
    namespace: u64,
    pid: u32,
    started: u64,
    random: u32,
}

/// What is known about the process that set a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Alive,
    Dead,
    /// Another boot or another pid namespace: not ours to judge.
    Unknowable,
}

impl InstanceMark {
    /// A new mark of this process.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub(crate) fn new() -> io::Result<Self> {
        let here = Place::here()?;
        let pid = std::process::id();
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), pid);
        Ok(Self {
            boot: here.boot,
            namespace: here.namespace,
            pid,
            started: Stat::of(pid)?.started,
            random: random as u32,
        })
    }

    pub(crate) fn owner(&self, here: &Place) -> Owner {
        if (self.boot, self.namespace) != (here.boot, here.namespace) {
            return Owner::Unknowable;
        }
        match Stat::of(self.pid) {
            Ok(stat) if stat.started == self.started && stat.is_alive() => Owner::Alive,
            Ok(_) => Owner::Dead,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Owner::Dead,
            Err(_) => Owner::Unknowable,
        }
    }
}

impl fmt::Display for InstanceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { boot, namespace, pid, started, random } = self;
        write!(f, "{boot:08x}-{namespace:x}-{pid:x}-{started:x}-{random:08x}")
    }
}

impl FromStr for InstanceMark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let mut fields = text.split('-').map(|field| u64::from_str_radix(field, 16).map_err(|_| NotAMark));
        let mut next = || fields.next().unwrap_or(Err(NotAMark));
        let narrow = |wide: u64| u32::try_from(wide).map_err(|_| NotAMark);
        let mark = Self {
            boot: narrow(next()?)?,
            namespace: next()?,
            pid: narrow(next()?)?,
            started: next()?,
            random: narrow(next()?)?,
        };
        if next().is_ok() { Err(NotAMark) } else { Ok(mark) }
    }
}

/// Whether a process belongs to some instance: it carries its mark, or guards it.
pub(crate) fn is_of_an_instance(pid: u32) -> bool {
    procfs::environ(pid).is_ok_and(|environ| {
        [INSTANCE_VARIABLE, guard::INSTANCE].iter().any(|name| procfs::variable(&environ, name).is_some())
    })
}

/// The text is not an instance mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instance mark")]
pub struct NotAMark;

/// Where pids mean what they mean to us: this boot, this pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    boot: u32,
    namespace: u64,
}

impl Place {
    pub(crate) fn here() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let boot = boot
            .get(..8)
            .and_then(|short| u32::from_str_radix(short, 16).ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable boot id"))?;
        Ok(Self { boot, namespace: procfs::own_namespace("pid")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_being_written_and_read() {
        let mark = InstanceMark::new().unwrap();
        assert_eq!(mark.to_string().parse(), Ok(mark));
    }

    #[test]
    fn two_marks_of_one_process_differ() {
        assert_ne!(InstanceMark::new().unwrap(), InstanceMark::new().unwrap());
    }

    #[test]
    fn what_is_not_a_mark_is_refused() {
        for text in ["", "1-2-3-4", "1-2-3-4-5-6", "x-2-3-4-5", "100000000-2-3-4-5"] {
            assert_eq!(text.parse::<InstanceMark>(), Err(NotAMark), "{text}");
        }
    }

    #[test]
    fn a_guard_is_of_an_instance_though_it_carries_no_mark() {
        for (name, expected) in [(INSTANCE_VARIABLE, true), (guard::INSTANCE, true), ("OSTLER_HOST", false)] {
            let mut process =
                std::process::Command::new("sleep").arg("60").env_clear().env(name, "x").spawn().unwrap();
            assert_eq!(is_of_an_instance(process.id()), expected, "{name}");
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    #[test]
    fn the_owner_is_judged_only_where_pids_mean_the_same() {
        let here = Place::here().unwrap();
        let ours = InstanceMark::new().unwrap();
        assert_eq!(ours.owner(&here), Owner::Alive);
        assert_eq!(InstanceMark { started: ours.started + 1, ..ours }.owner(&here), Owner::Dead);
        assert_eq!(InstanceMark { boot: ours.boot ^ 1, started: 0, ..ours }.owner(&here), Owner::Unknowable);
        assert_eq!(InstanceMark { namespace: 1, started: 0, ..ours }.owner(&here), Owner::Unknowable);
    }
}
