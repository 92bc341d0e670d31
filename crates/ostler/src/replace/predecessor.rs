//! The side of the process that is replaced.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ostler_net::{Address, Bequest};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

use super::message::{Answer, Handover, LONGEST, Order, PROTOCOL, SocketDescription, line, send};
use super::{Program, ROLE};
use crate::sockets::{NAMES, Purpose};

/// How long a successor that is not wanted any more may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(2);

/// A listening socket that a successor gets.
#[derive(Clone, Debug)]
pub(crate) struct Estate {
    pub(crate) purpose: Purpose,
    /// Where it is bound.
    pub(crate) address: Address,
    pub(crate) bequest: Bequest,
}

/// A successor that is starting.
#[derive(Debug)]
pub(crate) struct Attempt {
    successor: Unproven,
    socket: UnixStream,
    path: PathBuf,
    began: Instant,
    deadline: Instant,
}

/// The successor that is in charge now.
#[derive(Clone, Debug)]
pub(crate) struct Replaced {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) elapsed: Duration,
}

/// Why there is no successor. This process serves as before, and nothing is left of the attempt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    #[error("cannot start {}", path.display())]
    Start { path: PathBuf, source: io::Error },
    #[error("{reason}")]
    Refused { reason: String, configuration: bool },
    #[error("{} ended with {status} before it served", path.display())]
    Ended { path: PathBuf, status: ExitStatus },
    #[error("{} does not serve after {after:.1?}", path.display())]
    TooSlow { path: PathBuf, after: Duration },
    #[error("{} does not answer as an Ostler that can take over", path.display())]
    Stranger { path: PathBuf },
    #[error("Ostler ends")]
    Ending,
    #[error("cannot hand the sockets over")]
    System(#[from] io::Error),
}

/// A process that is killed when it is dropped, with its group.
#[derive(Debug)]
struct Unproven {
    child: Option<Child>,
    /// Its own: it is the leader.
    group: Option<Pid>,
}

impl Attempt {
    /// Starts `program` and hands it the sockets that are still open.
    pub(crate) fn begin(
        program: &Program,
        estates: &[Estate],
        within: Duration,
    ) -> Result<Self, ReplaceError> {
        let began = Instant::now();
        let (sockets, descriptors) = descriptions(estates)?;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let path = program.path().to_owned();
        let child = Command::new(&path)
            .arg0(program.name())
            .args(program.arguments())
            .env(ROLE, "stdin")
            .env_remove(NAMES)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // What a terminal sends to us is not for it, and what it may have started is ended with it.
            .process_group(0)
            .spawn()
            .map_err(|source| ReplaceError::Start { path: path.clone(), source })?;
        let successor = Unproven { group: child.id().and_then(group), child: Some(child) };
        let handover = Handover { protocol: PROTOCOL, pid: std::process::id(), sockets };
        match send(&ours, &line(&handover), &descriptors) {
            Ok(()) => {}
            // It has ended already, which tells more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error.into()),
        }
        let socket = UnixStream::from_std(ours)?;
        Ok(Self { successor, socket, path, began, deadline: began + within })
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.successor.child.as_ref().and_then(Child::id)
    }

    /// Waits until it serves, and puts it in charge of `estates`, unless `may_go_on` says otherwise by then.
    ///
    /// # Errors
    /// It does not. Then it has ended.
    pub(crate) async fn finish(
        mut self,
        estates: &[Estate],
        may_go_on: impl Fn() -> bool,
        ending: impl Future<Output = ()>,
    ) -> Result<Replaced, ReplaceError> {
        let answered = tokio::select! {
            biased;
            () = ending => Err(ReplaceError::Ending),
            answered = self.answer() => answered,
        };
        let outcome = match answered {
            Ok(_) if !may_go_on() => Err(ReplaceError::Ending),
            Ok((addresses, version)) => self.hand_over(estates, &addresses).await.map(|pid| (pid, version)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok((pid, version)) => Ok(Replaced { pid, version, elapsed: self.began.elapsed() }),
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// What it says: where it serves, and its version.
    async fn answer(&mut self) -> Result<(Vec<Address>, String), ReplaceError> {
        let after = self.deadline - self.began;
        let too_slow = |path: &PathBuf| ReplaceError::TooSlow { path: path.clone(), after };
        let mut answer = Vec::new();
        let mut socket = BufReader::new((&mut self.socket).take(LONGEST as u64));
        let read = timeout_at(self.deadline, socket.read_until(b'\n', &mut answer)).await;
        let read = read.map_err(|_| too_slow(&self.path))?.unwrap_or(0);
        if read == 0 {
            // It has let go of us, as all do that end.
            return Err(match timeout_at(self.deadline, self.successor.ended()).await {
                Ok(status) => ReplaceError::Ended { path: self.path.clone(), status: status? },
                Err(_) => too_slow(&self.path),
            });
        }
        match serde_json::from_slice(&answer) {
            Ok(Answer::Ready { addresses, version }) => Ok((addresses, version)),
            Ok(Answer::Failed { reason, configuration }) => {
                Err(ReplaceError::Refused { reason, configuration })
            }
            Err(_) => Err(ReplaceError::Stranger { path: self.path.clone() }),
        }
    }

    /// The successor serves on `addresses`: what it has of ours is its own from here on.
    async fn hand_over(&mut self, estates: &[Estate], addresses: &[Address]) -> Result<u32, ReplaceError> {
        let pid = self.pid().ok_or(ReplaceError::Ending)?;
        self.socket.write_all(&line(&Order::TakeOver)).await?;
        self.successor.release();
        for estate in estates.iter().filter(|estate| addresses.contains(&estate.address)) {
            estate.bequest.hand_over();
        }
        Ok(pid)
    }

    /// Lets it go, which it sees, and waits until it has ended.
    async fn abandon(self) {
        let Self { mut successor, socket, .. } = self;
        drop(socket);
        if timeout(PATIENCE, successor.ended()).await.is_err() {
            successor.kill();
            let _ = successor.ended().await;
        }
        // If it was a script, not all of it may have ended.
        successor.kill();
        successor.release();
    }
}

/// The sockets that are still open, and what is to be said of them.
fn descriptions(estates: &[Estate]) -> io::Result<(Vec<SocketDescription>, Vec<OwnedFd>)> {
    let mut descriptions = Vec::with_capacity(estates.len());
    let mut descriptors = Vec::with_capacity(estates.len());
    for Estate { purpose, bequest, .. } in estates {
        let Some(descriptor) = bequest.descriptor()? else { continue };
        descriptions.push(SocketDescription {
            key: purpose.key.clone(),
            address: purpose.address.clone(),
            owns_file: bequest.owns_file(),
        });
        descriptors.push(descriptor);
    }
    Ok((descriptions, descriptors))
}

fn group(leader: u32) -> Option<Pid> {
    i32::try_from(leader).ok().and_then(Pid::from_raw)
}

impl Unproven {
    /// Waits until it has ended. Cancel safe.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => child.wait().await,
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // Fails when nobody is left in it, which is what it is for.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }

    /// From here on it is nobody's.
    fn release(&mut self) {
        (self.child, self.group) = (None, None);
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.kill();
    }
}
