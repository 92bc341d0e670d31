//! What can go wrong with a child, as facts the caller can act on.

use std::io;
use std::time::Duration;

use ostler_scope::Closed;

use crate::leader::Exit;
use crate::logs::Tail;
use crate::ports::NoFreePort;
use crate::spawn::SpawnError;

/// Why a child did not become ready. Nothing of it is left when this is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program could not be started at all.
    #[error(transparent)]
    SpawnFailed(#[from] SpawnError),
    /// It ended before it was ready.
    #[error("ended before it was ready, with {exit}{tail}")]
    ExitedEarly {
        /// How it ended.
        exit: Exit,
        /// The last it wrote.
        tail: Tail,
    },
    /// It ran, but was not ready when the deadline of the start passed.
    #[error("not ready after {after:?} ({last}){tail}")]
    ReadyTimeout {
        /// How long it was given.
        after: Duration,
        /// What the last look at it said.
        last: String,
        /// The last it wrote.
        tail: Tail,
    },
    /// Other programs took each port it was given before it could.
    #[error("port {port} is held by another program{tail}")]
    PortTakenByOther {
        /// The last port tried.
        port: u16,
        /// The last the child wrote.
        tail: Tail,
    },
    /// There is no port to give it.
    #[error(transparent)]
    NoFreePort(#[from] NoFreePort),
    /// The operating system refused something a start needs, e.g. a descriptor.
    #[error("could not start a child: {0}")]
    System(#[from] io::Error),
    /// The scope it was to live in is halting.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A ready child has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ended with {exit}{tail}")]
pub struct Exited {
    /// How it ended.
    pub exit: Exit,
    /// The last it wrote.
    pub tail: Tail,
}

/// A stopped child left something behind that SIGKILL did not end in time, e.g. a process stuck in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("still alive {after:?} after SIGKILL: {pids:?}")]
pub struct StopError {
    /// The kill budget.
    pub after: Duration,
    /// Who is left, as far as that could be told.
    pub pids: Vec<u32>,
}

/// Why a launcher could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// `/proc` is not mounted, or hides what is needed to find our own processes.
    #[error("cannot read /proc: {0}")]
    Proc(#[source] io::Error),
    /// The directory for Unix sockets could not be made.
    #[error("cannot create the runtime directory in {root}: {source}")]
    RuntimeDir {
        /// Where it was to be.
        root: String,
        /// What the system said, or that the path is too long for a socket.
        source: io::Error,
    },
    /// The guard process could not be started.
    #[error("cannot start the guard: {0}")]
    Guard(#[from] SpawnError),
    /// The guard process started, but does not answer: most likely its `main` does not begin with `guard::intercept()`.
    #[error("the guard does not answer; does main() begin with ostler_process::guard::intercept()?")]
    GuardSilent,
    /// Orphans could not be adopted.
    #[error("cannot become the reaper of orphans: {0}")]
    Subreaper(#[source] io::Error),
    /// The operating system refused something else.
    #[error("cannot open a launcher: {0}")]
    System(#[from] io::Error),
    /// The scope it was to live in is halting.
    #[error(transparent)]
    Closed(#[from] Closed),
}
