//! Waiting for orphans: as the subreaper of all below us we inherit what children leave behind, and nobody else waits for it.

use std::io;

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
