//! Successors: who they are, how they end, and that tests leave none of them.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};

use crate::binary::{Directory, Ended, Ostler, PROGRAM, free_ports};
use crate::stage::ends_within;

/// How long anything here may take that should take no time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A process that has taken over. Killed on drop.
#[derive(Debug)]
pub(crate) struct Successor {
    pid: i32,
}

impl Successor {
    /// The one that `ostler replace` tells of.
    #[track_caller]
    pub(crate) fn told_by(ended: Ended) -> Self {
        let ended = ended.with(0);
        let words: Vec<_> = ended.stdout.split(' ').collect();
        assert_eq!((words[0], words[2]), ("process", "has"), "{ended:?}");
        Self { pid: words[1].parse().unwrap() }
    }

    pub(crate) fn with_pid(pid: &serde_json::Value) -> Self {
        Self { pid: pid.as_i64().unwrap().try_into().unwrap() }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid).unwrap(), signal).unwrap();
    }

    /// Waits for its end, and gives the exit code: its predecessor must have ended, so that it is ours to wait for.
    #[track_caller]
    pub(crate) fn exited(self) -> Option<i32> {
        ends_within(self.pid, PATIENCE);
        let (_, status) = waitpid(Pid::from_raw(self.pid), WaitOptions::empty()).unwrap().unwrap();
        status.exit_status()
    }

    /// Asks it to end, waits for that, and gives the exit code.
    #[track_caller]
    pub(crate) fn ended_by(self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.exited()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.pid);
        // Both fail when it has ended, or when its predecessor lives and waits for it.
        let _ = kill_process(pid.unwrap(), Signal::KILL);
        let _ = waitpid(pid, WaitOptions::empty());
    }
}

/// Makes this test's process the one that orphans come to, so that it can wait for the successors of what it has started.
pub(crate) fn adopt_orphans() {
    set_child_subreaper(Some(getpid())).unwrap();
}

/// Lets another process take over.
#[track_caller]
pub(crate) fn replace(ostler: &Ostler) -> Successor {
    Successor::told_by(ostler.ask(&["replace"]))
}

/// An Ostler that was started by a link in its directory, `bin`, which can be made to lead elsewhere.
pub(crate) fn installed(switchboard: &str, servers: &str) -> Ostler {
    installed_in(Directory::new(), switchboard, servers, &[])
}

/// The same in this directory, with these listeners of the switchboard besides.
pub(crate) fn installed_in(
    directory: Directory,
    switchboard: &str,
    servers: &str,
    listeners: &[&str],
) -> Ostler {
    let program = directory.path("bin");
    symlink(PROGRAM, &program).unwrap();
    configure_with(&directory, switchboard, servers, listeners);
    let runtime = directory.path("run");
    fs::create_dir(&runtime).unwrap();
    Ostler::up_as(&program, directory, &["up"], &[("XDG_RUNTIME_DIR", &runtime)])
}

/// Writes `ostler.toml` with these keys of `[switchboard]`.
pub(crate) fn configure(directory: &Directory, switchboard: &str, servers: &str) {
    configure_with(directory, switchboard, servers, &[]);
}

fn configure_with(directory: &Directory, switchboard: &str, servers: &str, listeners: &[&str]) {
    let base = free_ports();
    let listeners = [&["127.0.0.1:0"], listeners].concat();
    let text = format!(
        "[switchboard]\nlisten = {listeners:?}\n{switchboard}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [pool]\nbase_port = {base}\n{servers}\n"
    );
    directory.write("ostler.toml", &text);
}

/// Puts a shell script in the program's place.
pub(crate) fn install_script(directory: &Directory, script: &str) {
    let program = directory.path("bin");
    match fs::remove_file(&program) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts the program back.
pub(crate) fn install(directory: &Directory) {
    fs::remove_file(directory.path("bin")).unwrap();
    symlink(PROGRAM, directory.path("bin")).unwrap();
}
