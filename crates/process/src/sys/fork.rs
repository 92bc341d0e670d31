//! Starting a program directly in its cgroup, its session and under the parent-death signal.
//!
//! Why not `std::process::Command` with a hook: a process that joins a cgroup after its birth waits for a grace period of the whole
//! kernel, measured at 7 to 8 ms a start, while `clone3` with `CLONE_INTO_CGROUP` costs nothing and leaves no moment in which a child
//! could fork outside. That call is not in `std`.
//!
//! Between fork and exec the child runs on a copy of a multi-threaded process: everything it needs was allocated before, and it
//! calls only what is async-signal-safe.

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{io, ptr};

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// From the kernel's `sched.h`; the C library's constant is too narrow to hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Signals that exist, the real-time ones included.
const LAST_SIGNAL: c_int = 64;

/// What a process that outlives us does not react to: the ways a terminal or an operator ends things.
const DEAF_TO: [c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP];

/// Everything a child needs, allocated before the fork.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) program: CString,
    pub(crate) argv: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) directory: Option<CString>,
    /// What becomes its stdin, stdout and stderr. All above 2, so that putting one in place cannot overwrite the next.
    pub(crate) stdio: [OwnedFd; 3],
    /// The directory of the cgroup to be born in.
    pub(crate) cgroup: Option<OwnedFd>,
    pub(crate) bond: Bond,
}

/// What ties a process to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    /// SIGKILL when the thread that started it ends; default reaction to every signal.
    DiesWithUs,
    /// Outlives us and is deaf to what a terminal sends.
    OutlivesUs,
}

/// A process that has become its program.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    /// Whether it was born in the cgroup asked for.
    pub(crate) in_cgroup: bool,
}

/// The step of the child that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Fork = 0,
    Session = 1,
    Bond = 2,
    Stdio = 3,
    Directory = 4,
    Exec = 5,
}

/// Forks, and returns when the child has become its program or could not.
pub(crate) fn fork_exec(prepared: &Prepared) -> Result<Forked, (Step, io::Error)> {
    let fork_error = |error: io::Error| (Step::Fork, error);
    let argv = pointers(&prepared.argv);
    let environment = pointers(&prepared.environment);
    let (report, report_in_child) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| fork_error(errno.into()))?;
    let report_in_child = above_stdio(report_in_child).map_err(fork_error)?;
    let parent = std::process::id();

    let (pid, in_cgroup) = match fork(prepared.cgroup.as_ref()).map_err(fork_error)? {
        Side::Child => {
            // SAFETY: we are the child of a fork and call only async-signal-safe functions on memory made before it.
            let (step, errno) = unsafe { become_program(prepared, &argv, &environment, parent) };
            let code = errno.to_ne_bytes();
            let message = [step as u8, code[0], code[1], code[2], code[3]];
            // SAFETY: as above; the pipe is open and the buffer is on our stack. `_exit` runs nothing of the parent's.
            unsafe {
                libc::write(report_in_child.as_raw_fd(), message.as_ptr().cast(), message.len());
                libc::_exit(127)
            }
        }
        Side::Parent { pid, in_cgroup } => (pid, in_cgroup),
    };
    drop(report_in_child);

    let process = Pid::from_raw(pid).expect("fork returns a positive pid to the parent");
    // Not yet waited for by anyone, so the pid is still this child's.
    let pidfd = rustix::process::pidfd_open(process, PidfdFlags::empty())
        .map_err(|errno| fork_error(errno.into()))?;
    let mut message = [0; 5];
    match read_all(&report, &mut message) {
        0 => Ok(Forked { pid: pid.unsigned_abs(), pidfd, in_cgroup }),
        _ => {
            abandon(process);
            let [step, code @ ..] = message;
            Err((Step::from_byte(step), io::Error::from_raw_os_error(i32::from_ne_bytes(code))))
        }
    }
}

/// Ends and waits for a child that nobody will own.
pub(crate) fn abandon(child: Pid) {
    let _ = rustix::process::kill_process(child, Signal::KILL);
    let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
}

impl Step {
    fn from_byte(byte: u8) -> Self {
        [Self::Fork, Self::Session, Self::Bond, Self::Stdio, Self::Directory, Self::Exec]
            .into_iter()
            .find(|step| *step as u8 == byte)
            .unwrap_or(Self::Fork)
    }
}

enum Side {
    Child,
    Parent { pid: i32, in_cgroup: bool },
}

/// Forks, into the cgroup when there is one and the kernel lets us.
fn fork(cgroup: Option<&OwnedFd>) -> io::Result<Side> {
    if let Some(cgroup) = cgroup {
        // SAFETY: all zeroes is a valid `clone_args`: no flags, no stack, no thread-local storage.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = CLONE_INTO_CGROUP;
        args.exit_signal = libc::SIGCHLD as u64;
        args.cgroup = cgroup.as_raw_fd() as u64;
        // SAFETY: without CLONE_VM this is a fork: the child has its own copy of this stack. The arguments live until it returns.
        match unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) } {
            0 => return Ok(Side::Child),
            pid if pid > 0 => return Ok(Side::Parent { pid: pid as i32, in_cgroup: true }),
            // Forbidden by a container's filter, or no right to that cgroup: the child does without.
            _ => {}
        }
    }
    // SAFETY: the child calls only async-signal-safe functions.
    match unsafe { libc::fork() } {
        0 => Ok(Side::Child),
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Side::Parent { pid, in_cgroup: false }),
    }
}

/// Turns the child into its program; returns only when that fails.
///
/// # Safety
/// Only in a forked child. `argv` and `environment` end with a null pointer and point to what outlives the call.
unsafe fn become_program(
    prepared: &Prepared,
    argv: &[*const c_char],
    environment: &[*const c_char],
    parent: u32,
) -> (Step, c_int) {
    // SAFETY: each call is async-signal-safe (or a bare system call) and gets pointers that were checked by the types.
    unsafe {
        if libc::setsid() < 0 {
            return (Step::Session, last_errno());
        }
        if prepared.bond == Bond::DiesWithUs {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return (Step::Bond, last_errno());
            }
            // Had we died before the line above, nobody would send the signal any more.
            if libc::getppid().unsigned_abs() != parent {
                return (Step::Bond, libc::ESRCH);
            }
        }
        for (fd, source) in prepared.stdio.iter().enumerate() {
            if libc::dup2(source.as_raw_fd(), fd as c_int) < 0 {
                return (Step::Stdio, last_errno());
            }
        }
        // Descriptors of ours without CLOEXEC may come from anywhere in the process. Older kernels cannot, and keep them.
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        reset_signals(prepared.bond);
        if let Some(directory) = &prepared.directory
            && libc::chdir(directory.as_ptr()) < 0
        {
            return (Step::Directory, last_errno());
        }
        libc::execve(prepared.program.as_ptr(), argv.as_ptr(), environment.as_ptr());
        (Step::Exec, last_errno())
    }
}

/// Handlers are gone with exec, but what was ignored stays ignored and what was blocked stays blocked.
///
/// # Safety
/// Only in a forked child.
unsafe fn reset_signals(bond: Bond) {
    // SAFETY: async-signal-safe calls; zeroes are a valid action (default) for library and kernel, and a valid set.
    unsafe {
        // The bare call, because the library's will not touch the two signals it keeps for itself, and those are inherited too.
        let default = [0_u64; 8];
        for signal in 1..=LAST_SIGNAL {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<u64>(), 8_usize);
        }
        if bond == Bond::OutlivesUs {
            let mut ignore: libc::sigaction = std::mem::zeroed();
            ignore.sa_sigaction = libc::SIG_IGN;
            for signal in DEAF_TO {
                libc::sigaction(signal, &raw const ignore, ptr::null_mut());
            }
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Blocks every signal in the calling thread: between fork and exec a child shares our self-pipe, and a signal to it would look
/// like one to us.
pub(crate) fn block_signals() {
    // SAFETY: both calls get a set on our stack, and change this thread only.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}

/// A descriptor that putting 0, 1 and 2 in place cannot overwrite.
pub(crate) fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    // SAFETY: `fcntl` gets an open descriptor; what it returns is new and ours.
    unsafe {
        match libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) {
            -1 => Err(io::Error::last_os_error()),
            above => Ok(OwnedFd::from_raw_fd(above)),
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| CStr::as_ptr(string)).chain([ptr::null()]).collect()
}

fn read_all(pipe: &OwnedFd, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(pipe, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    filled
}

/// # Safety
/// None beyond what the C library asks: the location is this thread's own.
unsafe fn last_errno() -> c_int {
    // SAFETY: the location is valid for the life of the thread.
    unsafe { *libc::__errno_location() }
}
