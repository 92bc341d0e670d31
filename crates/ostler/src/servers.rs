//! The servers of a configuration, as the pool starts them.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_config::{Builtin, Command, Ready, Server, Target};
use ostler_net::Address;
use ostler_pool::{Factory, Key, Policy, Quota, Resource, Start};
use ostler_process::{
    Child, ChildSpec, Endpoint, Environment, Launcher, LogLimits, Logs, Readiness, SpecError, StopBudgets,
};
use ostler_scope::{BoxError, Deadline};
use ostler_switchboard::Routes;

use crate::echo::Echo;
use crate::in_process::InProcess;
use crate::outputs::Outputs;
use crate::probe::HttpProbe;

/// How much longer than its budget the teardown of a server may take before it is given up as stuck.
const TEARDOWN_MARGIN: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a builtin server has for its connections once it was drained: no process has to end, and who still uses it has been
/// cut off, which an event stream without end does not see.
const BUILTIN_STOP: std::time::Duration = std::time::Duration::from_millis(250);

/// Starts the servers that the configuration allows, and no others.
#[derive(Debug)]
pub struct Servers {
    rules: Routes<Arc<Rule>>,
    launcher: Launcher,
    /// For the admin API.
    outputs: Outputs,
}

/// How the servers of one `[[server]]` are started.
#[derive(Debug)]
struct Rule {
    kind: Kind,
    policy: Policy,
}

#[derive(Debug)]
enum Kind {
    Command(Box<ChildSpec>),
    Echo,
}

/// A server of the pool.
#[derive(Debug)]
pub enum Running {
    /// A child process.
    Child(Child),
    /// Part of this process.
    InProcess(InProcess),
}

/// A command that cannot be started as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("server {host}")]
pub struct CommandError {
    /// The host pattern of the server.
    pub host: String,
    /// What is wrong.
    pub source: SpecError,
}

/// No rule of the configuration has this host.
#[derive(Debug, thiserror::Error)]
#[error("no server is configured for {0}")]
struct NotConfigured(Key);

impl Servers {
    /// The rules of `config`, with processes started by `launcher`.
    ///
    /// # Errors
    /// A command that no program can be started with.
    pub fn new(config: &ostler_config::Config, launcher: Launcher) -> Result<Self, CommandError> {
        let mut rules = Routes::new();
        for server in &config.servers {
            let kind = match &server.target {
                Target::Command(command) => {
                    let spec = spec(command, server, config)
                        .map_err(|source| CommandError { host: server.host.to_string(), source })?;
                    Kind::Command(Box::new(spec))
                }
                Target::Builtin(Builtin::Echo) => Kind::Echo,
                Target::Url(_) => continue,
            };
            rules.insert(server.host.clone(), Arc::new(Rule { kind, policy: policy(server) }));
        }
        Ok(Self { rules, launcher, outputs: Outputs::default() })
    }

    /// What the child that serves `key`, or is about to, has written.
    pub(crate) fn output(&self, key: &Key) -> Option<Logs> {
        self.outputs.of(key.as_str())
    }
}

fn spec(command: &Command, server: &Server, config: &ostler_config::Config) -> Result<ChildSpec, SpecError> {
    let passed = command.env_pass.iter().map(|name| name.as_str());
    let environment = passed.fold(Environment::default(), Environment::inherit);
    let set = command.env.iter();
    let environment =
        set.fold(environment, |environment, (name, value)| environment.set(name.as_str(), value));
    let readiness = match &command.ready {
        Ready::Accept => Readiness::Accept,
        Ready::Path(path) => Readiness::Probe(Arc::new(HttpProbe::new(path))),
    };
    let endpoint = if command.socket { Endpoint::Unix } else { Endpoint::Tcp };
    let directory = if command.cwd.as_os_str().is_empty() { PathBuf::from(".") } else { command.cwd.clone() };
    let spec = ChildSpec::new(&command.argv)?
        .with_endpoint(endpoint)?
        .environment(environment)?
        .directory(directory)
        .readiness(readiness)
        .logs(LogLimits {
            lines: config.pool.output_lines,
            bytes: config.pool.output_bytes,
            ..LogLimits::default()
        })
        .stop(StopBudgets { drain: server.policy.kill_timeout, ..StopBudgets::default() });
    Ok(spec)
}

fn policy(server: &Server) -> Policy {
    let configured = &server.policy;
    let stop_timeout = match server.target {
        Target::Command(_) | Target::Url(_) => configured.kill_timeout,
        Target::Builtin(_) => BUILTIN_STOP,
    };
    Policy {
        quota: Some(Quota::new(server.host.to_string(), server.max)),
        idle_timeout: configured.idle_timeout.value(),
        start_timeout: configured.start_timeout,
        drain_timeout: configured.drain_timeout,
        stop_timeout,
        cleanup_timeout: stop_timeout + StopBudgets::default().kill + TEARDOWN_MARGIN,
        check_interval: configured.check_interval.value(),
        check_timeout: configured.check_timeout,
        unhealthy_after: configured.unhealthy_after,
        max_age: configured.max_age.value(),
        max_uses: configured.max_uses.value(),
        ..Policy::default()
    }
}

impl Factory for Servers {
    type Resource = Running;

    fn policy(&self, key: &Key) -> Policy {
        // A key without a rule fails at its start, which the policy of nothing bounds as well as any.
        self.rules.find(key.as_str()).map_or_else(Policy::default, |rule| rule.policy.clone())
    }

    async fn start(&self, start: Start) -> Result<Running, BoxError> {
        let rule = self.rules.find(start.key.as_str()).ok_or_else(|| NotConfigured(start.key.clone()))?;
        Ok(match &rule.kind {
            Kind::Command(spec) => {
                let host = start.key.to_string();
                self.outputs.forget_at_the_end(&start)?;
                let hear = |logs| self.outputs.keep(&start, logs);
                Running::Child(self.launcher.start_heard(spec, &host, &start, hear).await?)
            }
            Kind::Echo => {
                Running::InProcess(InProcess::start(&start, self.launcher.ports(), Echo::new).await?)
            }
        })
    }
}

impl Resource for Running {
    type Address = Address;

    fn address(&self) -> Address {
        match self {
            Self::Child(child) => child.address().clone(),
            Self::InProcess(server) => server.address(),
        }
    }

    async fn exited(&self) -> BoxError {
        match self {
            Self::Child(child) => Resource::exited(child).await,
            Self::InProcess(server) => server.exited().await,
        }
    }

    async fn check(&self) -> Result<(), BoxError> {
        match self {
            Self::Child(child) => child.check().await,
            Self::InProcess(server) => server.check().await,
        }
    }

    async fn drain(&self, deadline: Deadline) {
        match self {
            Self::Child(child) => Resource::drain(child, deadline).await,
            Self::InProcess(server) => server.drain(deadline).await,
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Child(child) => Some(child.pid()),
            Self::InProcess(_) => None,
        }
    }
}
