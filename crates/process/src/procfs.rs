//! What `/proc` tells about a process: its place in the tree, its environment, its children and its sockets.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Set by the kernel on its own threads, which have no environment and cannot be ended.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The fields of `/proc/<pid>/stat` that identify a process and place it in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    flags: u32,
    /// Clock ticks since boot; with the pid it names one process for ever.
    pub(crate) started: u64,
}

impl Stat {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable stat line"))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets and spaces included: count from its end.
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(line.split(|byte| *byte == b' ').next()?).ok()?.parse().ok()?;
        let rest = std::str::from_utf8(line.get(name_end + 2..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            pid,
            state: *fields.first()?.as_bytes().first()?,
            parent: u32::try_from(number(1)?).ok()?,
            group: u32::try_from(number(2)?).ok()?,
            session: u32::try_from(number(3)?).ok()?,
            flags: u32::try_from(number(6)?).ok()?,
            started: number(19)?,
        })
    }

    /// A living process from `pid parent group session`.
    #[cfg(test)]
    pub(crate) fn sample(fields: &str) -> Self {
        let mut fields = fields.split(' ').map(|field| field.parse().unwrap());
        let mut next = || fields.next().unwrap();
        Self {
            pid: next(),
            parent: next(),
            group: next(),
            session: next(),
            state: b'S',
            flags: 0,
            started: 1,
        }
    }

    /// Runs, or could: neither a zombie nor on the way out.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    pub(crate) fn is_zombie(&self) -> bool {
        self.state == b'Z'
    }

    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

/// Every process that can be seen.
///
/// # Errors
/// `/proc` is not mounted or not readable.
pub(crate) fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// The environment a process was started with, as NUL-separated `NAME=value`; empty for a zombie.
pub(crate) fn environ(pid: u32) -> io::Result<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ"))
}

/// The value of `name` in an environment block.
pub(crate) fn variable<'a>(environ: &'a [u8], name: &str) -> Option<&'a str> {
    environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .and_then(|value| std::str::from_utf8(value).ok())
}

/// Children of one thread of a process; those the kernel hands to a subreaper are listed at its first thread.
pub(crate) fn children_of_thread(pid: u32, thread: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{thread}/children"))
        .map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
        .unwrap_or_default()
}

/// Children of every thread of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .flat_map(|thread| children_of_thread(pid, thread))
        .collect()
}

/// The process and all below it, parents first.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        for child in children(parent) {
            if !family.contains(&child) {
                family.push(child);
            }
        }
        next += 1;
    }
    family
}

/// Takes from `inodes` the sockets a process has open.
pub(crate) fn claim_sockets(pid: u32, inodes: &mut HashSet<u64>) {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return };
    for entry in entries.flatten() {
        if inodes.is_empty() {
            return;
        }
        if let Some(inode) = fs::read_link(entry.path()).ok().as_deref().and_then(socket_inode) {
            inodes.remove(&inode);
        }
    }
}

fn socket_inode(target: &Path) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The file a namespace link of this process points to, e.g. `4026531836` for `pid`.
pub(crate) fn own_namespace(kind: &str) -> io::Result<u64> {
    let link: PathBuf = fs::read_link(format!("/proc/self/ns/{kind}"))?;
    link.to_str()
        .and_then(|text| text.split_once('[')?.1.strip_suffix(']')?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable namespace link"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_past_a_name_with_brackets_and_spaces() {
        let line = b"71 (a) b (c) S 1 70 69 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.session, stat.started), (71, 1, 70, 69, 4242));
        assert!(stat.is_alive() && !stat.is_zombie() && !stat.is_kernel_thread());
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environ = b"XA=0\0A=1\0AB=2\0";
        assert_eq!(variable(environ, "A"), Some("1"));
        assert_eq!(variable(environ, "B"), None);
    }
}
