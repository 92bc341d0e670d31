//! Ostler's side of the guard: starting it, replacing it when it dies, and dismissing it at the end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ostler_scope::{BoxError, Scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, oneshot};
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

/// The guard of one launcher.
#[derive(Debug)]
pub(crate) struct GuardPost;

/// One guard process and our end of the socket pair.
#[derive(Debug)]
struct Guard {
    socket: UnixStream,
    leader: Arc<Leader>,
}

impl GuardPost {
    /// Returns when the guard stands. It is replaced when it dies, and dismissed when `scope` has come to this point of its end.
    pub(crate) async fn open(scope: &Scope, spawner: &Spawner, orders: Orders) -> Result<(), OpenError> {
        let Some(first) = Guard::start(spawner, &orders).await? else { return Ok(()) };
        let current = Arc::new(Mutex::new(Some(first)));
        let last = Arc::clone(&current);
        scope.ensure("guard dismissed", move |_| async move {
            if let Some(guard) = last.lock().await.take() {
                guard.dismiss().await;
            }
            Ok::<(), BoxError>(())
        })?;
        let spawner = spawner.clone();
        scope.daemon("guard watch", async move {
            replace_when_dead(&spawner, &orders, &current).await;
            Ok::<(), BoxError>(())
        })?;
        Ok(())
    }
}

async fn replace_when_dead(spawner: &Spawner, orders: &Orders, current: &Mutex<Option<Guard>>) {
    loop {
        let Some(leader) = current.lock().await.as_ref().map(|guard| Arc::clone(&guard.leader)) else {
            return;
        };
        let exit = leader.exited().await;
        leader.reap();
        tracing::warn!(%exit, "the guard died, starting another");
        // A guard that is dropped half started sees its socket break; so each is put in place before anything is awaited.
        loop {
            match Guard::start(spawner, orders).await {
                Ok(guard) => {
                    *current.lock().await = guard;
                    break;
                }
                Err(error) => tracing::error!(%error, "no guard"),
            }
            sleep(REPLACE_PAUSE).await;
        }
    }
}

impl Guard {
    async fn start(spawner: &Spawner, orders: &Orders) -> Result<Option<Self>, OpenError> {
        let path = match &orders.program {
            GuardProgram::CurrentExe => PathBuf::from("/proc/self/exe"),
            GuardProgram::Path(path) => path.clone(),
            GuardProgram::None => return Ok(None),
        };
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let socket = UnixStream::from_std(ours)?;
        let leader = Arc::new(launch(spawner, program(path, theirs.into(), orders)?).await?);
        let mut guard = Self { socket, leader };
        let mut word = [0];
        match timeout(READY_PATIENCE, guard.socket.read_exact(&mut word)).await {
            Ok(Ok(_)) if word == [READY] => Ok(Some(guard)),
            Ok(_) | Err(_) => {
                guard.dismiss().await;
                Err(OpenError::GuardSilent)
            }
        }
    }

    async fn dismiss(mut self) {
        let _ = self.socket.write_all(&[FAREWELL]).await;
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

async fn launch(spawner: &Spawner, program: Program) -> Result<Leader, OpenError> {
    let (reply, answer) = oneshot::channel();
    spawner.place().await.order(program, Box::new(move |outcome| drop(reply.send(outcome))));
    let started = answer.await.unwrap_or(Err(SpawnError::Closed))?;
    Ok(Leader::watch(started)?)
}
