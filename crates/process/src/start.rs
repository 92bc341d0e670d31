//! One start: a port or socket, a process, and the wait until it serves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use ostler_pool::Start;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::census::Quarry;
use crate::child::{Child, Logs};
use crate::environment::find_program;
use crate::error::StartError;
use crate::launcher::{Inner, Launcher};
use crate::leader::Leader;
use crate::logs::{Ring, Stream};
use crate::mark::{GENERATION_VARIABLE, INSTANCE_VARIABLE};
use crate::output::{self, Sink};
use crate::ready::{Expected, Waiting};
use crate::running::{Listening, Running, Stage};
use crate::spawn::{self, Program, SpawnError, Started};
use crate::spec::{ChildSpec, Endpoint};
use crate::sys::fork::Bond;
use crate::template::Values;

impl Launcher {
    /// Starts a child of `spec` for `host` and returns it once it serves.
    ///
    /// The child belongs to `start.scope`: when that halts, nothing of it is left, whatever became of the returned value. Dropping the
    /// future leaves what it began to that scope as well.
    ///
    /// # Errors
    /// It could not be started, ended or was not ready before `start.deadline`. Then it is gone, all of it.
    pub async fn start(&self, spec: &ChildSpec, host: &str, start: &Start) -> Result<Child, StartError> {
        self.start_heard(spec, host, start, |_| {}).await
    }

    /// As [`Launcher::start`], and `hear` is given the output of each process that is tried, before it can write any: a port that
    /// another program takes first makes it more than one.
    ///
    /// # Errors
    /// As [`Launcher::start`].
    pub async fn start_heard(
        &self,
        spec: &ChildSpec,
        host: &str,
        start: &Start,
        mut hear: impl FnMut(Logs) + Send,
    ) -> Result<Child, StartError> {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            match self.attempt(spec, host, start, began, &mut hear).await {
                Err(StartError::PortTakenByOther { port, .. }) if attempt < self.inner.port_attempts => {
                    tracing::info!(key = %start.key, port, "another program took the port, trying the next");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(
        &self,
        spec: &ChildSpec,
        host: &str,
        start: &Start,
        began: Instant,
        hear: &mut (dyn FnMut(Logs) + Send),
    ) -> Result<Child, StartError> {
        let inner = &self.inner;
        let listening = inner.listening(spec.endpoint())?;
        let expected = Expected::from(&listening);
        let program = inner.program(spec, host, start, &listening)?;
        let running = Arc::new(inner.running(spec, start, listening));
        hear(Logs::of(&running));

        // Before the process exists: whatever happens to this start from here on, its scope ends what it began.
        let ended = Arc::clone(&running);
        start.scope.ensure("child ended", move |cleanup| async move {
            ended.end(cleanup.deadline.instant()).await
        })?;

        let outcome = self.run(spec, start, &running, program, expected, began).await;
        if outcome.is_err()
            && let Err(error) = running.end(Instant::now() + spec.stop_budgets().kill).await
        {
            tracing::warn!(key = %start.key, %error, "a failed start left something behind");
        }
        outcome
    }

    async fn run(
        &self,
        spec: &ChildSpec,
        start: &Start,
        running: &Arc<Running>,
        mut program: Program,
        expected: Expected,
        began: Instant,
    ) -> Result<Child, StartError> {
        let (stdout, stdout_in_child) = pipe()?;
        let (stderr, stderr_in_child) = pipe()?;
        (program.stdout, program.stderr) = (stdout_in_child, stderr_in_child);
        program.cgroup = running.cgroup.as_ref().map(|cgroup| cgroup.directory()).transpose()?;

        let leader = self.spawn(running, program).await?;
        for (name, stream, pipe) in [("stdout", Stream::Stdout, stdout), ("stderr", Stream::Stderr, stderr)] {
            drop(start.scope.supervise(name, output::drain(Arc::clone(&running.sink), stream, pipe))?);
        }
        let readiness = spec.ready_when();
        let waiting = Waiting { running, leader: &leader, expected, readiness };
        let address = waiting.ready(began, start.deadline.instant()).await?;
        Ok(Child {
            running: Arc::clone(running),
            leader,
            address,
            readiness: readiness.clone(),
            budgets: spec.stop_budgets(),
        })
    }

    async fn spawn(&self, running: &Arc<Running>, program: Program) -> Result<Arc<Leader>, StartError> {
        let (reply, answer) = oneshot::channel();
        let told = Arc::clone(running);
        let runtime = Handle::current();
        let place = self.inner.spawner.place().await;
        running.stage.send_replace(Stage::Ordered);
        place.order(
            program,
            Box::new(move |outcome| {
                let _entered = runtime.enter();
                let outcome = outcome.map_err(StartError::from).and_then(watched);
                told.stage.send_replace(match &outcome {
                    Ok(leader) => Stage::Alive(Arc::clone(leader)),
                    Err(_) => Stage::Failed,
                });
                let _ = reply.send(outcome);
            }),
        );
        answer.await.unwrap_or(Err(StartError::SpawnFailed(SpawnError::Closed)))
    }
}

impl Inner {
    fn listening(&self, endpoint: Endpoint) -> Result<Listening, StartError> {
        Ok(match endpoint {
            Endpoint::Tcp => Listening::Port(self.ports.take()?),
            Endpoint::Unix => Listening::Socket(self.runtime_dir.socket()),
        })
    }

    fn running(&self, spec: &ChildSpec, start: &Start, listening: Listening) -> Running {
        let cgroup = self.cgroup.as_ref().and_then(|cgroup| {
            cgroup.child().inspect_err(|error| tracing::warn!(%error, "a child goes without a cgroup")).ok()
        });
        let ring = Ring::new(spec.log_limits());
        Running {
            quarry: Quarry {
                generation: Some(generation_mark(start)),
                ..Quarry::instance(self.mark.clone())
            },
            cgroup,
            sink: Arc::new(Sink::new(start.key.clone(), start.generation, ring)),
            stage: watch::Sender::new(Stage::Planned),
            family: Mutex::default(),
            place: Mutex::new(Some(listening)),
            walker: self.walker.clone(),
            kill_budget: spec.stop_budgets().kill,
            ended: tokio::sync::Mutex::new(false),
        }
    }

    fn program(
        &self,
        spec: &ChildSpec,
        host: &str,
        start: &Start,
        listening: &Listening,
    ) -> Result<Program, StartError> {
        let socket = match listening {
            Listening::Socket(path) => Some(path.path().to_string_lossy()),
            Listening::Port(_) => None,
        };
        let port = match listening {
            Listening::Port(port) => Some(port.number()),
            Listening::Socket(_) => None,
        };
        let argv = spec.argv(&Values { port, socket: socket.as_deref(), host });
        let mut environment = spec.variables().resolve(|name| std::env::var_os(name));
        let mut set = |name: &str, value: String| environment.insert(name.into(), value.into());
        if let Some(port) = port {
            set("PORT", port.to_string());
        }
        if let Some(socket) = socket {
            set("SOCKET", socket.into_owned());
        }
        set("OSTLER_HOST", host.to_owned());
        set(INSTANCE_VARIABLE, self.mark.clone());
        set(GENERATION_VARIABLE, generation_mark(start));
        Ok(Program {
            path: located(&argv[0], &environment)?,
            argv: argv.into_iter().map(OsString::from).collect(),
            environment,
            directory: spec.working_directory().cloned(),
            stdin: spawn::null()?,
            stdout: spawn::null()?,
            stderr: spawn::null()?,
            cgroup: None,
            bond: Bond::DiesWithUs,
        })
    }
}

fn located(program: &str, environment: &BTreeMap<OsString, OsString>) -> Result<OsString, SpawnError> {
    let path = environment.get(std::ffi::OsStr::new("PATH")).map(OsString::as_os_str);
    find_program(program, path).ok_or_else(|| SpawnError::NotFound { program: program.to_owned() })
}

fn generation_mark(start: &Start) -> String {
    format!("{}#{}", start.key, start.generation)
}

fn watched(started: Started) -> Result<Arc<Leader>, StartError> {
    Ok(Arc::new(Leader::watch(started)?))
}

fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}
