//! The one thread that starts processes.
//!
//! The parent-death signal fires when the *thread* that forked ends, not the process. So none of the runtime's threads may fork:
//! this one does, and it lives until the launcher has ended everything.

mod fork;

use std::{
    collections::BTreeMap,
    ffi::{CString, OsString},
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::PathBuf,
    sync::mpsc,
};

use fork::Step;

pub(crate) use fork::Bond;

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
type Deliver = Box<dyn FnOnce(Result<Started, SpawnError>) + Send>;

enum Order {
    Start(Box<Program>, Deliver),
    Stop,
}

/// Hands programs to the spawning thread.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    orders: mpsc::Sender<Order>,
}

impl Spawner {
    /// The handle, and the thread's function.
    pub(crate) fn new() -> (Self, impl FnOnce() + Send + 'static) {
        let (orders, inbox) = mpsc::channel();
        (Self { orders }, move || run(&inbox))
    }

    /// Starts `program`; `deliver` gets the outcome in any case.
    pub(crate) fn start(&self, program: Program, deliver: Deliver) {
        if let Err(mpsc::SendError(Order::Start(_, deliver))) =
            self.orders.send(Order::Start(Box::new(program), deliver))
        {
            deliver(Err(SpawnError::Closed));
        }
    }

    /// Ends the thread, and with it what it started and nobody ended.
    pub(crate) fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// The bound of the queue is that of the starts in flight: each waits for its delivery.
fn run(inbox: &mpsc::Receiver<Order>) {
    fork::block_signals();
    while let Ok(order) = inbox.recv() {
        match order {
            Order::Start(program, deliver) => deliver(start(*program)),
            Order::Stop => break,
        }
    }
    for order in inbox.try_iter() {
        if let Order::Start(_, deliver) = order {
            deliver(Err(SpawnError::Closed));
        }
    }
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
        Err((Step::Fork | Step::Session | Step::Bond | Step::Stdio, source)) => Err(SpawnError::System(source)),
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
