//! The one thread that starts processes.
//!
//! The parent-death signal fires when the *thread* that forked ends, not the process. So none of the runtime's threads may fork:
//! this one does, and it lives until the launcher has ended everything.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use ostler_scope::{BoxError, Closed, Scope};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::sys::fork::{self, Bond, Step};

/// A process to start.
#[derive(Debug)]
pub(crate) struct Program {
    /// As found; `argv[0]` may say otherwise.
    pub(crate) path: OsString,
    pub(crate) argv: Vec<OsString>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) cgroup: Option<OwnedFd>,
    pub(crate) bond: Bond,
}

/// A started process that nobody has waited for.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) in_cgroup: bool,
}

/// Why a process did not become its program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The program is in none of the directories of the child's `PATH`.
    #[error("{program} is not in the PATH of the child")]
    NotFound {
        /// As configured.
        program: String,
    },
    /// The program could not be executed.
    #[error("could not execute {program}: {source}")]
    Execute {
        /// As found.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The working directory could not be entered.
    #[error("could not enter the directory {directory}: {source}")]
    Directory {
        /// As configured.
        directory: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Processes, memory or descriptors are exhausted.
    #[error("could not start a process: {0}")]
    System(#[source] io::Error),
    /// The launcher has ended.
    #[error("the launcher has ended")]
    Closed,
}

/// Called on the spawning thread with the outcome, so that it is recorded even if whoever asked is gone.
pub(crate) type Deliver = Box<dyn FnOnce(Result<Started, SpawnError>) + Send>;

struct Order {
    program: Program,
    deliver: Deliver,
}

/// Orders that wait for the thread; who comes later waits to place theirs.
const QUEUE: usize = 64;

/// Hands programs to the spawning thread.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    orders: mpsc::Sender<Order>,
}

/// A place in the queue. Placing an order in it cannot fail and cannot be cancelled.
pub(crate) struct Place(Option<mpsc::OwnedPermit<Order>>);

impl Spawner {
    /// Starts the thread. It ends when `scope` stops it, and takes with it what it started and nobody ended.
    pub(crate) fn start(scope: &Scope) -> Result<Self, Closed> {
        let (orders, inbox) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Handle::current();
        scope.thread("spawner", move |halting| {
            fork::block_signals();
            runtime.block_on(run(inbox, halting));
            Ok::<(), BoxError>(())
        })?;
        Ok(Self { orders })
    }

    /// Waits for a place in the queue. Cancel safe.
    pub(crate) async fn place(&self) -> Place {
        Place(self.orders.clone().reserve_owned().await.ok())
    }
}

impl Place {
    /// Starts `program`; `deliver` gets the outcome in any case.
    pub(crate) fn order(self, program: Program, deliver: Deliver) {
        match self.0 {
            Some(permit) => drop(permit.send(Order { program, deliver })),
            None => deliver(Err(SpawnError::Closed)),
        }
    }
}

async fn run(mut inbox: mpsc::Receiver<Order>, halting: CancellationToken) {
    while let Some(Some(order)) = halting.run_until_cancelled(inbox.recv()).await {
        (order.deliver)(start(order.program));
    }
    inbox.close();
    while let Some(order) = inbox.recv().await {
        (order.deliver)(Err(SpawnError::Closed));
    }
    // Senders may all be gone before the scope asks: its threads end on request only.
    halting.cancelled().await;
}

fn start(program: Program) -> Result<Started, SpawnError> {
    let path = program.path.to_string_lossy().into_owned();
    let directory = program.directory.as_ref().map(|directory| directory.display().to_string());
    let prepared = prepare(program).map_err(SpawnError::System)?;
    match fork::fork_exec(&prepared) {
        Ok(forked) => Ok(Started { pid: forked.pid, pidfd: forked.pidfd, in_cgroup: forked.in_cgroup }),
        Err((Step::Exec, source)) => Err(SpawnError::Execute { program: path, source }),
        Err((Step::Directory, source)) => {
            Err(SpawnError::Directory { directory: directory.unwrap_or_default(), source })
        }
        Err((Step::Fork | Step::Session | Step::Bond | Step::Stdio, source)) => {
            Err(SpawnError::System(source))
        }
    }
}

fn prepare(program: Program) -> io::Result<fork::Prepared> {
    let environment = program.environment.into_iter().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        terminated(name)
    });
    Ok(fork::Prepared {
        program: terminated(program.path)?,
        argv: program.argv.into_iter().map(terminated).collect::<io::Result<_>>()?,
        environment: environment.collect::<io::Result<_>>()?,
        directory: program.directory.map(|path| terminated(path.into_os_string())).transpose()?,
        stdio: [
            fork::above_stdio(program.stdin)?,
            fork::above_stdio(program.stdout)?,
            fork::above_stdio(program.stderr)?,
        ],
        cgroup: program.cgroup,
        bond: program.bond,
    })
}

fn terminated(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(io::Error::from)
}

/// A stdin at its end, or an output nobody reads.
pub(crate) fn null() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open("/dev/null")?.into())
}
