//! The guard: a tiny process that outlives Ostler just long enough to end everything Ostler started.
//!
//! It is our own program once more, in a session of its own and deaf to what a terminal sends. It holds one end of a socket pair whose
//! other end only Ostler has. When that breaks without a farewell, Ostler was killed: the guard ends all that carries the
//! instance's mark, removes its cgroup and its sockets, and exits.

mod post;
mod watch;

use std::path::PathBuf;

pub(crate) use post::{GuardPost, Orders};

/// Which program becomes the guard process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GuardProgram {
    /// This one. Its `main` must begin with [`intercept`].
    #[default]
    CurrentExe,
    /// Another one, whose `main` begins with [`intercept`]: for tests, and for programs that cannot be started twice.
    Path(PathBuf),
    /// No guard. Then `kill -9` of this process leaves grandchildren behind until the next start sweeps them.
    None,
}

/// Set for the guard process and for nobody else.
const ROLE: &str = "OSTLER_GUARD";

/// Value of `OSTLER_INSTANCE` in those to end. Under another name here, or the guard would end itself.
pub(crate) const INSTANCE: &str = "OSTLER_GUARD_INSTANCE";

/// Directory of the instance's cgroup, if it has one.
const CGROUP: &str = "OSTLER_GUARD_CGROUP";

/// Directory of the instance's Unix sockets.
const RUNTIME_DIR: &str = "OSTLER_GUARD_RUNTIME_DIR";

/// The guard's only word: it stands.
const READY: u8 = b'r';

/// Ostler's only word: all has been ended in order.
const FAREWELL: u8 = b'q';

/// Runs the guard, and never returns, if this process was started to be one; else does nothing.
///
/// Call it first in `main`, before a runtime or any thread is started: the guard should be small, and nothing of the program
/// should run in it.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     ostler_process::guard::intercept();
///     // the program
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn intercept() {
    if std::env::var_os(ROLE).is_some() {
        watch::run();
    }
}

/// Whether this process was started as a guard; a launcher in one would start guards without end.
pub(crate) fn is_guard() -> bool {
    std::env::var_os(ROLE).is_some()
}
