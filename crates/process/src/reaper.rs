//! Waiting for orphans: as the subreaper of all below us we inherit what children leave behind, and nobody else waits for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use ostler_scope::{BoxError, Scope};
use rustix::process::{Pid, WaitId, WaitIdOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::OpenError;
use crate::procfs::{self, Stat};

/// Adopts the orphans of everything below this process from now on, and waits for them as they end.
pub(crate) fn start(scope: &Scope) -> Result<(), OpenError> {
    let own = Pid::from_raw(i32::try_from(std::process::id()).map_err(io::Error::other)?);
    rustix::process::set_child_subreaper(own).map_err(|errno| OpenError::Subreaper(errno.into()))?;
    let mut child_ended = signal(SignalKind::child())?;
    scope.daemon("reaper", async move {
        while child_ended.recv().await.is_some() {
            reap_adopted();
        }
        Ok::<(), BoxError>(())
    })?;
    Ok(())
}

/// Waits for the zombies we adopted, and for nobody else's.
pub(crate) fn reap_adopted() {
    for stat in adopted().iter().filter(|stat| stat.is_zombie()) {
        if let Some(pid) = i32::try_from(stat.pid).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }
}

/// The processes started by us that nobody has waited for yet, of all launchers. When a spawning thread ends before a child of its
/// was waited for, the child moves to our first thread like an orphan.
static LEADERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Leaves waiting for `pid` to its [`Leader`](crate::leader::Leader).
pub(crate) fn reserve(pid: u32) {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
}

/// It was waited for, or nobody will any more.
pub(crate) fn release(pid: u32) {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
}

/// The orphans that came to us.
///
/// The kernel hands them to our first thread, while those we started hang on the thread that started them. What other code of this
/// process starts from its first thread has our session, and no orphan can: each child began a session of its own, and nobody
/// can join an existing one.
pub(crate) fn adopted() -> Vec<Stat> {
    let own = std::process::id();
    let candidates = procfs::children_of_thread(own, own);
    if candidates.is_empty() {
        return Vec::new();
    }
    let Ok(ours) = Stat::of(own) else { return Vec::new() };
    candidates
        .into_iter()
        .filter_map(|pid| Stat::of(pid).ok())
        .filter(|stat| stat.session != ours.session)
        .collect()
}
