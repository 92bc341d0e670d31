//! The real program, started with a configuration of its own on ports that nobody else has, and ended on drop.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ostler");

/// Ports for one test's servers.
const RANGE: u16 = 20;

/// A running `ostler up`.
pub(crate) struct Ostler {
    process: Child,
    pub(crate) greeting: String,
    pub(crate) switchboard: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: Log,
    pub(crate) directory: Directory,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A directory of its own, removed on drop.
pub(crate) struct Directory(PathBuf);

/// What a process writes to its stderr, as it comes.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    text: String,
    closed: bool,
}

impl Ostler {
    /// Serves `servers`, which is what comes behind the sections with addresses and ports.
    pub(crate) fn serve(servers: &str) -> Self {
        Self::serve_with("", servers)
    }

    /// The same with more keys in `[admin]`.
    pub(crate) fn serve_with(admin: &str, servers: &str) -> Self {
        let directory = Directory::new();
        let config = format!(
            "[switchboard]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{admin}\n\
             [pool]\nbase_port = {}\n{servers}\n",
            free_ports()
        );
        directory.write("ostler.toml", &config);
        Self::up(directory, &["up"], &[])
    }

    /// Runs `ostler` with `arguments` in `directory` until it has greeted.
    pub(crate) fn up(directory: Directory, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::up_as(PROGRAM, directory, arguments, variables)
    }

    /// The same by another path of the program.
    pub(crate) fn up_as(
        program: &str,
        directory: Directory,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = command_of(program, &directory.0);
        command.args(arguments).envs(variables.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(process.stderr.take().unwrap());
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        while !greeting.contains("Ctrl+C") {
            let Some(line) = lines.next() else {
                panic!("`ostler up` ended: {:?}\n{}", process.wait(), log.to_the_end());
            };
            greeting.push_str(&line.unwrap());
            greeting.push('\n');
        }
        let address = |name: &str| {
            let line = greeting.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            let (_, address) = line.split_once("http://").unwrap_or((line, "127.0.0.1:0"));
            address.parse().unwrap()
        };
        let (switchboard, admin) = (address("switchboard"), address("admin"));
        Self { process, switchboard, admin, greeting, log, directory }
    }

    /// Runs a command against this Ostler.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// The same, to be started by the caller.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.directory.0);
        command.args(arguments).args(["--admin", &self.admin.to_string()]);
        command
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and gives the exit code. Its log goes on as long as a successor writes it too.
    pub(crate) fn exited(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }

    /// Waits for its end, and gives the exit code and the whole log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.process.wait().unwrap();
        (status.code(), self.log.to_the_end())
    }

    /// The same, with the directory it ran in.
    pub(crate) fn end_with_directory(mut self) -> (Option<i32>, String, Directory) {
        let directory = std::mem::replace(&mut self.directory, Directory::new());
        let (code, log) = self.end();
        (code, log, directory)
    }

    /// Waits until the log has this text.
    pub(crate) fn has_said(&self, text: &str) {
        self.log.wait_for(text);
    }
}

impl Drop for Ostler {
    fn drop(&mut self) {
        // Its guard ends its children. It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            // A successor that the test had not come to know.
            self.directory.kill_those_within();
        }
    }
}

impl Ended {
    /// Asserts the exit code; the output is the message if it is another one.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "stdout has no {text:?}: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr has no {text:?}: {self:#?}");
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Directory {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("ostler-{:08x}", fastrand::u32(..)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Kills who has it as its working directory.
    fn kill_those_within(&self) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid
                && std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == self.0)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Runs a command in it.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        command(&self.0).args(arguments).envs(variables.iter().copied()).output().unwrap().into()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Log {
    /// Collects in a thread that ends with the pipe.
    pub(crate) fn of(stderr: ChildStderr) -> Self {
        let log = Self::default();
        let writing = log.clone();
        thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                writing.change(|written| written.text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
            writing.change(|written| written.closed = true);
        });
        log
    }

    /// Waits until it has this text.
    pub(crate) fn wait_for(&self, text: &str) {
        let written = self.wait(|written| written.closed || written.text.contains(text));
        assert!(written.contains(text), "ended without {text:?}: {written}");
    }

    /// All of it, once the process has closed it.
    pub(crate) fn to_the_end(&self) -> String {
        self.wait(|written| written.closed)
    }

    fn change(&self, change: impl FnOnce(&mut Written)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn wait(&self, until: impl Fn(&Written) -> bool) -> String {
        let written = self.0.1.wait_while(self.0.0.lock().unwrap(), |written| !until(written)).unwrap();
        written.text.clone()
    }
}

/// The program, in a directory and without the variables of whoever runs the tests.
pub(crate) fn command(directory: &Path) -> Command {
    command_of(PROGRAM, directory)
}

fn command_of(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OSTLER_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    // What it keeps on disk is the test's too.
    command.current_dir(directory).env("XDG_DATA_HOME", directory).env_remove("STATE_DIRECTORY");
    command.stdin(Stdio::null());
    command
}

/// The first of a few ports that are free now. Tests run side by side, so it is a random one; a port that is taken
/// meanwhile is skipped by Ostler.
pub(crate) fn free_ports() -> u16 {
    loop {
        let base = fastrand::u16(20_000..32_000);
        if (base..base + RANGE).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return base;
        }
    }
}

/// Reads all that is left of a pipe.
pub(crate) fn rest(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}
