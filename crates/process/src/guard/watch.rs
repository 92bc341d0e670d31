//! The guard process itself: no runtime, no threads, no allocation worth mentioning.

use std::env;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fd::AsFd;
use tokio::time::Instant;

use super::{CGROUP, FAREWELL, INSTANCE, READY, RUNTIME_DIR};
use crate::census::Quarry;
use crate::chase::Chase;
use crate::{cgroup, runtime_dir};

/// How long the guard goes on against what will not end. Whatever survives that, the next start sweeps.
const PATIENCE: Duration = Duration::from_secs(30);

/// What shows in a process list.
const NAME: &std::ffi::CStr = c"ostler-guard";

pub(super) fn run() -> ! {
    let _ = rustix::thread::set_name(NAME);
    if !was_dismissed() {
        end_everything();
    }
    #[allow(
        clippy::disallowed_methods,
        reason = "there is no finalizer: this process has only been this function"
    )]
    std::process::exit(0)
}

/// Stands until Ostler speaks or breaks off.
fn was_dismissed() -> bool {
    // The socket pair is our stdin, by which no descriptor number needs to be handed over.
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else { return false };
    let mut socket = UnixStream::from(socket);
    if socket.write_all(&[READY]).is_err() {
        return false;
    }
    let mut word = [0];
    loop {
        match socket.read(&mut word) {
            Ok(0) => return false,
            Ok(_) if word == [FAREWELL] => return true,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

fn end_everything() {
    let path = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let cgroup = path(CGROUP);
    if let Ok(instance) = env::var(INSTANCE) {
        Chase::new(Quarry::instance(instance), cgroup.clone()).run(Instant::now() + PATIENCE);
    }
    if let Some(cgroup) = cgroup {
        cgroup::remove(&cgroup);
    }
    if let Some(directory) = path(RUNTIME_DIR) {
        runtime_dir::remove(&directory);
    }
}
