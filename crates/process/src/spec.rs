//! What to start: one program with its arguments, environment, endpoint, readiness and budgets.

use std::path::PathBuf;
use std::time::Duration;

use crate::environment::Environment;
use crate::logs::LogLimits;
use crate::probe::Readiness;
use crate::template::{Template, TemplateError, Values};

/// How a kind of server is started, watched and stopped. Checked when it is built, used for any number of starts.
///
/// There is no shell: each argument reaches the program as it is, with `{port}`, `{socket}` and `{host}` filled in. The child also
/// finds `PORT` or `SOCKET`, and `OSTLER_HOST`, in its environment, whatever [`Environment`] says about them.
///
/// ```
/// use ostler_process::{ChildSpec, Endpoint, Environment};
///
/// let spec = ChildSpec::new(["node", "server.js", "--port", "{port}"])?
///     .environment(Environment::default().set("NODE_ENV", "production"))?
///     .directory("/srv/shop");
/// assert_eq!(spec.endpoint(), Endpoint::Tcp);
///
/// let error = ChildSpec::new(["serve", "--port={prot}"]).unwrap_err();
/// assert!(error.to_string().contains("did you mean {port}?"));
/// # Ok::<(), ostler_process::SpecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChildSpec {
    argv: Vec<Template>,
    environment: Environment,
    directory: Option<PathBuf>,
    endpoint: Endpoint,
    readiness: Readiness,
    logs: LogLimits,
    stop: StopBudgets,
}

/// What a child is told to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port of the launcher's range, on the loopback interface.
    Tcp,
    /// A Unix socket in a directory nobody else can enter.
    Unix,
}

/// How long the steps of a stop may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopBudgets {
    /// From SIGTERM until SIGKILL; 10 seconds unless told otherwise, less when the caller's deadline is nearer.
    pub drain: Duration,
    /// From the first SIGKILL until what still lives is reported as left; 5 seconds unless told otherwise. Only a process
    /// stuck in the kernel takes that long.
    pub kill: Duration,
}

impl Default for StopBudgets {
    fn default() -> Self {
        Self { drain: Duration::from_secs(10), kill: Duration::from_secs(5) }
    }
}

/// Why a specification cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// There is no program.
    #[error("the command is empty")]
    Empty,
    /// An argument has a bad placeholder.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// An argument holds a NUL byte, which no program can receive.
    #[error("argument {0} holds a NUL byte")]
    Nul(usize),
    /// `{port}` for a child that is given a Unix socket, or `{socket}` for one that is given a port, or both.
    #[error("{{{placeholder}}} is used, but the server is given a {endpoint}")]
    WrongEndpoint {
        /// The placeholder that has no value.
        placeholder: &'static str,
        /// What it is given instead.
        endpoint: &'static str,
    },
    /// A variable that cannot be in an environment, or that is ours to set.
    #[error("environment variable {0:?} cannot be set (names that begin with OSTLER_ are reserved)")]
    Environment(String),
}

impl ChildSpec {
    /// A specification with the defaults of everything else. It is given a Unix socket when an argument uses `{socket}`, else a port.
    ///
    /// # Errors
    /// The command is empty, an argument is not a valid template, or both `{port}` and `{socket}` are used.
    pub fn new<A: AsRef<str>>(command: impl IntoIterator<Item = A>) -> Result<Self, SpecError> {
        let mut argv = Vec::new();
        for (index, argument) in command.into_iter().enumerate() {
            if argument.as_ref().contains('\0') {
                return Err(SpecError::Nul(index));
            }
            argv.push(Template::parse(argument.as_ref())?);
        }
        if argv.is_empty() {
            return Err(SpecError::Empty);
        }
        let endpoint = if argv.iter().any(Template::uses_socket) { Endpoint::Unix } else { Endpoint::Tcp };
        let spec = Self {
            argv,
            environment: Environment::default(),
            directory: None,
            endpoint,
            readiness: Readiness::Accept,
            logs: LogLimits::default(),
            stop: StopBudgets::default(),
        };
        spec.with_endpoint(endpoint)
    }

    /// Gives it a port or a socket, whatever its arguments use: a program may read `PORT` or `SOCKET` instead.
    ///
    /// # Errors
    /// An argument uses the other one.
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Result<Self, SpecError> {
        let wrong = |placeholder, endpoint| Err(SpecError::WrongEndpoint { placeholder, endpoint });
        match endpoint {
            Endpoint::Tcp if self.argv.iter().any(Template::uses_socket) => return wrong("socket", "port"),
            Endpoint::Unix if self.argv.iter().any(Template::uses_port) => {
                return wrong("port", "Unix socket");
            }
            Endpoint::Tcp | Endpoint::Unix => self.endpoint = endpoint,
        }
        Ok(self)
    }

    /// Replaces the environment.
    ///
    /// # Errors
    /// A name or a value cannot be in an environment, or is reserved.
    pub fn environment(mut self, environment: Environment) -> Result<Self, SpecError> {
        if let Some(name) = environment.fault() {
            return Err(SpecError::Environment(name.to_owned()));
        }
        self.environment = environment;
        Ok(self)
    }

    /// Starts it in this directory instead of ours. A program named by a relative path with a slash is looked up from there.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// When it is ready; by default when it accepts.
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// How much of its output is kept.
    pub fn logs(mut self, limits: LogLimits) -> Self {
        self.logs = limits;
        self
    }

    /// How long its stop may take.
    pub fn stop(mut self, budgets: StopBudgets) -> Self {
        self.stop = budgets;
        self
    }

    /// What it is given to listen on.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    pub(crate) fn argv(&self, values: &Values<'_>) -> Vec<String> {
        self.argv.iter().map(|argument| argument.render(values)).collect()
    }

    pub(crate) fn variables(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn working_directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }

    pub(crate) fn ready_when(&self) -> &Readiness {
        &self.readiness
    }

    pub(crate) fn log_limits(&self) -> LogLimits {
        self.logs
    }

    pub(crate) fn stop_budgets(&self) -> StopBudgets {
        self.stop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_follows_the_arguments() {
        assert_eq!(ChildSpec::new(["serve", "{port}"]).unwrap().endpoint(), Endpoint::Tcp);
        assert_eq!(ChildSpec::new(["serve", "{socket}"]).unwrap().endpoint(), Endpoint::Unix);
        let by_variable = ChildSpec::new(["serve"]).unwrap().with_endpoint(Endpoint::Unix).unwrap();
        assert_eq!(by_variable.endpoint(), Endpoint::Unix);
    }

    #[test]
    fn an_argument_without_a_value_is_refused() {
        let both = ChildSpec::new(["serve", "{port}", "{socket}"]).unwrap_err();
        assert!(matches!(both, SpecError::WrongEndpoint { placeholder: "port", .. }), "{both}");
        let other = ChildSpec::new(["serve", "{socket}"]).unwrap().with_endpoint(Endpoint::Tcp).unwrap_err();
        assert!(matches!(other, SpecError::WrongEndpoint { placeholder: "socket", .. }), "{other}");
    }

    #[test]
    fn what_no_program_can_receive_is_refused() {
        assert_eq!(ChildSpec::new([""; 0]).unwrap_err(), SpecError::Empty);
        assert_eq!(ChildSpec::new(["a", "b\0c"]).unwrap_err(), SpecError::Nul(1));
        let reserved = Environment::default().set("OSTLER_GENERATION", "x");
        let error = ChildSpec::new(["a"]).unwrap().environment(reserved).unwrap_err();
        assert_eq!(error, SpecError::Environment("OSTLER_GENERATION".into()));
    }
}
