//! Telling systemd, or whoever else set `NOTIFY_SOCKET`, how far we are: `sd_notify(3)`. Without that variable nobody is told.

use sd_notify::NotifyState;

/// It serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A successor is being started.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no clock to tell the service manager of a replacement"),
    }
}

/// The successor did not start: everything is as before.
pub(crate) fn not_replaced(why: &str) {
    let first = why.lines().next().unwrap_or_default();
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("not replaced: {first}"))]);
}

/// The service is another process from here on. This is our last word: only the main process is listened to, and that is not us.
pub(crate) fn replaced(successor: u32) {
    tell(&[NotifyState::MainPid(successor), NotifyState::Ready, NotifyState::Status("")]);
}

/// It drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
