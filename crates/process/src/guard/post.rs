//! Ostler's side of the guard: starting it, replacing it when it dies, and dismissing it at the end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ostler_scope::{BoxError, Scope};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::{CGROUP, FAREWELL, GuardProgram, INSTANCE, READY, ROLE, RUNTIME_DIR};
use crate::error::OpenError;
use crate::leader::Leader;
use crate::spawn::{self, Program, SpawnError, Spawner};
use crate::sys::fork::Bond;

/// How long a new guard may take to say that it stands.
const READY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a dismissed guard may take to go before it is killed.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(1);

/// Between two attempts to replace a guard that died.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);

/// What the guard is told.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) program: GuardProgram,
    pub(crate) instance: String,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) runtime_dir: PathBuf,
}

/// The post of one launcher's guard. Shared by whoever fills it and by the finalizer that dismisses the guard.
#[derive(Debug)]
pub(crate) struct GuardPost {
    spawner: Spawner,
    orders: Orders,
    /// Told by the spawning thread, so that a guard is known from its birth, even when whoever started it was stopped meanwhile.
    stage: watch::Sender<Stage>,
}

/// Who is at the post.
#[derive(Clone, Debug)]
enum Stage {
    Vacant,
    /// A guard was ordered from the spawning thread, which will answer.
    Ordered,
    /// There is a process; whether it stands already is another question.
    Held(Arc<Guard>),
}

/// One guard process and our end of the socket pair.
#[derive(Debug)]
struct Guard {
    socket: UnixStream,
    leader: Leader,
}

impl GuardPost {
    /// Returns when the guard stands. It is replaced when it dies, and dismissed when `scope` has come to this point of its end.
    pub(crate) async fn open(scope: &Scope, spawner: &Spawner, orders: Orders) -> Result<(), OpenError> {
        let path = match &orders.program {
            GuardProgram::CurrentExe => PathBuf::from("/proc/self/exe"),
            GuardProgram::Path(path) => path.clone(),
            GuardProgram::None => return Ok(()),
        };
        let post =
            Arc::new(Self { spawner: spawner.clone(), orders, stage: watch::Sender::new(Stage::Vacant) });
        // Before there is a process: however far a start has come, this ends and reaps what it began.
        let last = Arc::clone(&post);
        scope.ensure("guard dismissed", move |_| async move {
            last.dismiss().await;
            Ok::<(), BoxError>(())
        })?;
        post.fill(&path).await?;
        scope.daemon("guard watch", async move {
            post.replace_when_dead(&path).await;
            Ok::<(), BoxError>(())
        })?;
        Ok(())
    }

    async fn replace_when_dead(self: &Arc<Self>, path: &Path) {
        loop {
            let Stage::Held(guard) = self.stage.borrow().clone() else { return };
            let exit = guard.leader.exited().await;
            guard.leader.reap();
            tracing::warn!(%exit, "the guard died, starting another");
            while let Err(error) = self.fill(path).await {
                tracing::error!(%error, "no guard");
                sleep(REPLACE_PAUSE).await;
            }
        }
    }

    /// Starts a guard and waits until it stands. Cancel safe: [`dismiss`](Self::dismiss) finds what was begun.
    async fn fill(self: &Arc<Self>, path: &Path) -> Result<(), OpenError> {
        let guard = self.launch(path).await?;
        match timeout(READY_PATIENCE, guard.word()).await {
            Ok(Ok(READY)) => Ok(()),
            Ok(_) | Err(_) => {
                self.dismiss().await;
                Err(OpenError::GuardSilent)
            }
        }
    }

    async fn launch(self: &Arc<Self>, path: &Path) -> Result<Arc<Guard>, OpenError> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let socket = UnixStream::from_std(ours)?;
        let program = program(path.to_owned(), theirs.into(), &self.orders)?;
        let (reply, answer) = oneshot::channel();
        let post = Arc::clone(self);
        let runtime = Handle::current();
        let place = self.spawner.place().await;
        self.stage.send_replace(Stage::Ordered);
        place.order(
            program,
            Box::new(move |outcome| {
                let _entered = runtime.enter();
                let outcome = outcome.map_err(OpenError::from).and_then(|started| {
                    let leader = Leader::watch(started)?;
                    Ok(Arc::new(Guard { socket, leader }))
                });
                post.stage.send_replace(match &outcome {
                    Ok(guard) => Stage::Held(Arc::clone(guard)),
                    Err(_) => Stage::Vacant,
                });
                let _ = reply.send(outcome);
            }),
        );
        answer.await.unwrap_or(Err(SpawnError::Closed.into()))
    }

    /// Bids the guard farewell, if there is one, and reaps it.
    async fn dismiss(&self) {
        let mut stage = self.stage.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = stage.wait_for(|stage| !matches!(stage, Stage::Ordered)).await;
        let stage = self.stage.borrow().clone();
        if let Stage::Held(guard) = stage {
            guard.dismiss().await;
            self.stage.send_replace(Stage::Vacant);
        }
    }
}

impl Guard {
    /// What it says next.
    async fn word(&self) -> io::Result<u8> {
        let mut word = [0];
        loop {
            self.socket.readable().await?;
            match self.socket.try_read(&mut word) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(word[0]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn say(&self, word: u8) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            match self.socket.try_write(&[word]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    async fn dismiss(&self) {
        let _ = self.say(FAREWELL).await;
        if timeout(FAREWELL_PATIENCE, self.leader.exited()).await.is_err() {
            self.leader.signal_group(rustix::process::Signal::KILL);
            self.leader.exited().await;
        }
        self.leader.reap();
    }
}

fn program(path: PathBuf, stdin: OwnedFd, orders: &Orders) -> io::Result<Program> {
    let cgroup = orders.cgroup.clone().unwrap_or_default();
    let environment: [(&str, OsString); 4] = [
        (ROLE, "1".into()),
        (INSTANCE, orders.instance.clone().into()),
        (CGROUP, cgroup.into()),
        (RUNTIME_DIR, orders.runtime_dir.clone().into()),
    ];
    Ok(Program {
        path: path.into(),
        argv: vec!["ostler-guard".into()],
        environment: BTreeMap::from(environment.map(|(name, value)| (name.into(), value))),
        directory: Some("/".into()),
        stdin,
        // Ours may be a pipe whose reader waits for everyone to close it.
        stdout: spawn::null()?,
        stderr: spawn::null()?,
        cgroup: None,
        bond: Bond::OutlivesUs,
    })
}
