//! The process we started ourselves. It stays unreaped until its end is complete, so its pid stays its own.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use tokio::io::unix::AsyncFd;

use crate::spawn::Started;
use crate::{reaper, sys};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this status.
    Status(i32),
    /// This signal ended it.
    Signal(i32),
    /// It is gone, but other code of this process waited for it and has its status.
    Lost,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(number) => match Signal::from_named_raw(*number).map(name) {
                Some(name) => write!(f, "signal {number} ({name})"),
                None => write!(f, "signal {number}"),
            },
            Self::Lost => f.write_str("a status that is lost"),
        }
    }
}

/// One started process and its pidfd.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    in_cgroup: bool,
    /// Held while a signal goes to the group, because reaping frees the number.
    reaped: Mutex<Option<Exit>>,
}

impl Leader {
    /// Watches a started process in the current runtime.
    ///
    /// # Errors
    /// Descriptors are exhausted. Then the process has been ended.
    pub(crate) fn watch(started: Started) -> io::Result<Self> {
        let Started { pid, pidfd, in_cgroup } = started;
        let pidfd = sys::watch_readable(pidfd).inspect_err(|_| {
            if let Some(child) = raw(pid) {
                sys::fork::abandon(child);
            }
        })?;
        reaper::reserve(pid);
        Ok(Self { pid, pidfd, in_cgroup, reaped: Mutex::new(None) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it was born in its cgroup, so that whatever it starts is in there too.
    pub(crate) fn is_in_cgroup(&self) -> bool {
        self.in_cgroup
    }

    /// Resolves when it has ended, and leaves it unreaped. Cancel safe; any number may wait.
    pub(crate) async fn exited(&self) -> Exit {
        loop {
            if let Some(exit) = self.exit() {
                return exit;
            }
            // An ended process stays readable for ever, so readiness is never cleared and nobody misses it.
            if self.pidfd.readable().await.is_err() {
                // The runtime is shutting down, and with it everyone who waits.
                std::future::pending::<()>().await;
            }
        }
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        reaped.or_else(|| self.wait(WaitIdOptions::NOWAIT))
    }

    /// Frees its pid. To be called when its group is empty; does nothing while it lives.
    pub(crate) fn reap(&self) {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if reaped.is_none() {
            *reaped = self.wait(WaitIdOptions::empty());
            reaper::release(self.pid);
        }
    }

    /// Signals its whole group; nothing when it was reaped.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if reaped.is_some() {
            return;
        }
        if let Some(group) = raw(self.pid) {
            // Fails when the group is all zombies, which is what the signal is for.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    fn wait(&self, options: WaitIdOptions) -> Option<Exit> {
        use std::os::fd::AsFd;
        let id = WaitId::PidFd(self.pidfd.get_ref().as_fd());
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match rustix::process::waitid(id, options) {
            Ok(status) => status.map(|status| exit_of(&status)),
            // Somebody else waited for our child: its status is lost, but it is gone.
            Err(rustix::io::Errno::CHILD) => Some(Exit::Lost),
            Err(_) => None,
        }
    }
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

impl Drop for Leader {
    fn drop(&mut self) {
        reaper::release(self.pid);
    }
}

/// The name of a signal that commonly ends a process.
fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::HUP => "SIGHUP",
        Signal::INT => "SIGINT",
        Signal::QUIT => "SIGQUIT",
        Signal::ILL => "SIGILL",
        Signal::ABORT => "SIGABRT",
        Signal::BUS => "SIGBUS",
        Signal::FPE => "SIGFPE",
        Signal::KILL => "SIGKILL",
        Signal::SEGV => "SIGSEGV",
        Signal::PIPE => "SIGPIPE",
        Signal::TERM => "SIGTERM",
        Signal::SYS => "SIGSYS",
        _ => "see signal(7)",
    }
}

fn exit_of(status: &WaitIdStatus) -> Exit {
    status
        .exit_status()
        .map(Exit::Status)
        .or_else(|| status.terminating_signal().map(Exit::Signal))
        .unwrap_or(Exit::Lost)
}
