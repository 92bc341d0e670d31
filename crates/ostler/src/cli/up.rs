//! `ostler up`.

use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ostler_config::Loaded;
use ostler_http::{DrainTimedOut, ServerHandle};
use ostler_process::StopError;
use ostler_scope::{BoxError, Closed, Ending, Main, Scope, ScopeError};
use ostler_switchboard::Switchboard;
use tokio::signal::unix::{SignalKind, signal};

use super::check::load_or;
use super::failure::{Failure, print, remark};
use super::greeting::Greeting;
use super::paint::Paint;
use super::{DRAIN_TIMED_OUT, log};
use crate::admin::chain;
use crate::data::DataError;
use crate::host::{Host, HostError, HostOptions, longest_end};
use crate::mcp::Mcp;
use crate::replace::{Program, Successor};
use crate::service_manager;
use crate::sockets::Sockets;

/// How much longer than the configured budgets the whole teardown may take.
const TEARDOWN_MARGIN: Duration = Duration::from_secs(15);

/// The path of the scope whose listeners have no part in serving: what is cut there was no response to a client.
const ADMIN: &str = "ostler/admin/";

/// What this process begins with.
struct Beginning {
    /// What the next one is started from.
    program: Option<Program>,
    /// Sockets of a service manager or of a predecessor.
    sockets: Sockets,
    /// If this process is to take over from another one.
    successor: Option<Successor>,
}

pub(super) fn run(path: Option<&Path>) -> ExitCode {
    let mut beginning = match Beginning::of_this_process() {
        Ok(beginning) => beginning,
        Err(error) => return Failure::new(chain::line(&*error)).tell(),
    };
    let give_up = |reason| {
        if let Some(successor) = beginning.successor.take() {
            successor.give_up(reason, true);
        }
    };
    let loaded = match load_or(path, give_up) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    log::start(&loaded.config.log);
    let config = &loaded.config;
    let drains = config.switchboard.drain_timeout + config.admin.drain_timeout;
    let budget = drains + longest_end(config) + TEARDOWN_MARGIN;
    let main = Main::new("ostler").cleanup_deadline(budget).exit_code(exit_code);
    main.run(async |scope| up(&scope, &loaded, beginning).await)
}

async fn up(scope: &Scope, loaded: &Loaded, beginning: Beginning) -> Result<ExitCode, BoxError> {
    let Beginning { program, sockets, successor } = beginning;
    // From here on it does not end this process any more.
    let mut replace = signal(SignalKind::user_defined2())?;
    let options = HostOptions { sockets, program, successor: successor.is_some(), ..HostOptions::default() };
    let host = match (Host::start(scope, &loaded.config, options).await, successor) {
        (Ok(host), None) => {
            greet(loaded, &host);
            service_manager::ready();
            host
        }
        (Ok(host), Some(successor)) => {
            let predecessor = successor.predecessor();
            successor.take_over(host.addresses().cloned().collect()).await?;
            host.open();
            tracing::info!(predecessor, version = env!("CARGO_PKG_VERSION"), "taken over");
            host
        }
        (Err(error), successor) => {
            if let Some(successor) = successor {
                successor.give_up(chain::line(&error), false);
            }
            return Err(error.into());
        }
    };
    let (switchboards, admin) = (host.switchboards.clone(), host.admin.clone());
    // Opened last, so the first to be ended.
    scope.ensure("farewell", async move |_| {
        say_farewell(&switchboards);
        if !admin.is_replaced() {
            service_manager::stopping();
        }
        Ok::<_, Closed>(())
    })?;
    let admin = host.admin.clone();
    drop(scope.spawn("replace on signal", async move {
        while replace.recv().await.is_some() {
            admin.replace();
        }
        Ok::<_, Closed>(())
    })?);
    tokio::select! {
        () = host.admin.drained_on_request() => {}
        () = host.admin.replaced() => host.gone(loaded.config.switchboard.replace_grace).await,
    }
    Ok(ExitCode::SUCCESS)
}

impl Beginning {
    /// Before any thread is started: it changes the environment.
    fn of_this_process() -> Result<Self, BoxError> {
        let program = Some(Program::of_this_process()?);
        Ok(match Successor::receive()? {
            Some((successor, sockets)) => Self { program, sockets, successor: Some(successor) },
            None => Self { program, sockets: Sockets::from_service_manager()?, successor: None },
        })
    }
}

fn greet(loaded: &Loaded, host: &Host) {
    let listeners = host.switchboards.iter().map(Switchboard::server);
    let (encrypted, plain): (Vec<_>, Vec<_>) = listeners.partition(|server| server.is_encrypted());
    let addresses =
        |servers: Vec<&ServerHandle>| servers.iter().map(|server| server.address().clone()).collect();
    let greeting = Greeting {
        config: &loaded.config,
        origin: &loaded.origin,
        switchboards: addresses(plain),
        encrypted: addresses(encrypted),
        admins: host.admin.addresses().cloned().collect(),
        mcp: host.mcp.iter().flat_map(Mcp::addresses).cloned().collect(),
    };
    if print(&greeting.text(Paint::stdout())).is_err() {
        tracing::debug!("nobody reads the greeting");
    }
}

fn say_farewell(switchboards: &[Switchboard]) {
    let connections: usize = switchboards.iter().map(|switchboard| switchboard.server().connections()).sum();
    let hint = if io::stderr().is_terminal() { "; another Ctrl+C cuts what is in flight" } else { "" };
    tracing::info!(connections, "draining{hint}");
}

/// 3 when a deadline passed, and nothing worse happened.
fn exit_code(ending: &Ending) -> ExitCode {
    tracing::debug!(elapsed = ?ending.report.elapsed, "everything has stopped");
    let stuck: Vec<_> = ending.report.stuck.iter().filter(|path| !path.starts_with(ADMIN)).collect();
    for path in &stuck {
        remark(&format!("did not stop in time: {path}"));
    }
    let error = ending.report.error.as_ref();
    let errors = error.into_iter().chain(error.into_iter().flat_map(ScopeError::suppressed));
    let (late, worse): (Vec<_>, Vec<_>) =
        errors.filter(|error| !is_a_watcher(error)).partition(|error| is_late(error));
    for error in worse.iter().copied().chain(late.iter().copied()) {
        explain(error).tell();
    }
    match (worse.is_empty(), late.is_empty() && stuck.is_empty(), error) {
        (false, _, _) => ExitCode::FAILURE,
        (true, false, _) => ExitCode::from(DRAIN_TIMED_OUT),
        (true, true, None) => ending.code,
        (true, true, Some(_)) => {
            ending.signal.map_or(ExitCode::SUCCESS, |number| ExitCode::from(128 + number))
        }
    }
}

/// Whether it tells that a deadline passed before all had ended of itself: the configured one, or the one that a second
/// signal brought forward.
fn is_late(error: &ScopeError) -> bool {
    error.downcast_ref::<DrainTimedOut>().is_some() || error.downcast_ref::<StopError>().is_some()
}

/// Whether this is only somebody who followed the events and did not read them.
fn is_a_watcher(error: &ScopeError) -> bool {
    error.downcast_ref::<DrainTimedOut>().is_some() && error.path().starts_with(ADMIN)
}

/// What went wrong, and what to do about it.
fn explain(error: &ScopeError) -> Failure {
    let Some(host) = error.downcast_ref::<HostError>() else {
        return Failure::new(chain::line(error));
    };
    let failure = Failure::new(chain::line(host as &(dyn Error + 'static)));
    match host {
        HostError::Listen { key, source, .. } => {
            let variable = format!("OSTLER_{}", key.replace('.', "__").to_uppercase());
            let elsewhere =
                format!("or listen elsewhere: set `{key}`, or {variable}=127.0.0.1:0 for any free port");
            match source.kind() {
                io::ErrorKind::AddrInUse => failure
                    .help("another program listens there; if that is another Ostler, `ostler drain` ends it")
                    .help(elsewhere),
                io::ErrorKind::PermissionDenied => failure
                    .help("ports below 1024 and the directories of sockets can need more rights")
                    .help(elsewhere),
                io::ErrorKind::AddrNotAvailable => {
                    failure.help("no network interface of this machine has that address").help(elsewhere)
                }
                _ => failure,
            }
        }
        HostError::Loop { .. } => failure.help("give it the address of the server that is meant"),
        HostError::Lookup { .. } => failure.help("a `url` may name an IP address instead"),
        HostError::Sockets(_) => failure.help(
            "`switchboard.listen`, `switchboard.tls_listen` and `admin.listen` have to name the addresses of the socket unit, and it theirs",
        ),
        HostError::Data(DataError::Keys(_)) => failure
            .help("`tools.keys` names a file of shared keys; without it they are in the data directory"),
        HostError::Data(_) => failure.help("`[store]` says where it is, and with `url = \"memory:\"` nothing is kept"),
        HostError::Auth(_) => failure.help("see [mcp.auth]"),
        HostError::Audit { .. } => failure.help("`mcp.audit` says where it is"),
        HostError::Tools(_) => failure.help("`tools.resume = \"journal\"` has one"),
        HostError::Certificate(_)
        | HostError::Command(_)
        | HostError::Launcher(_)
        | HostError::Serve(_)
        | HostError::Closed(_) => failure,
    }
}
