//! `ostler up`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ostler_config::{Config, Loaded, Origin};
use ostler_http::DrainTimedOut;
use ostler_scope::{BoxError, Ending, Main, Scope, ScopeError};

use super::check::load;
use super::log;
use crate::host::{Host, HostOptions};

/// The exit code when a drain deadline passed and responses were cut.
const DRAIN_TIMED_OUT: u8 = 3;

/// How much longer than the configured budgets the whole teardown may take.
const TEARDOWN_MARGIN: Duration = Duration::from_secs(15);

pub(super) fn run(path: Option<&Path>) -> ExitCode {
    let loaded = match load(path) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    log::start(&loaded.config.log);
    let config = &loaded.config;
    let budget = config.switchboard.drain_timeout
        + config.pool.drain_timeout
        + config.pool.kill_timeout
        + TEARDOWN_MARGIN;
    let main = Main::new("ostler").cleanup_deadline(budget).exit_code(exit_code);
    main.run(async |scope| up(&scope, &loaded).await)
}

async fn up(scope: &Scope, loaded: &Loaded) -> Result<ExitCode, BoxError> {
    let host = Host::start(scope, &loaded.config, HostOptions::default()).await?;
    greet(&host, &loaded.config, &loaded.origin);
    host.admin.drained_on_request().await;
    Ok(ExitCode::SUCCESS)
}

/// What a person sees first, with commands to try.
#[allow(clippy::print_stdout, reason = "the command's own words, apart from the log")]
fn greet(host: &Host, config: &Config, origin: &Origin) {
    match origin {
        Origin::File(path) => println!("Ostler serves {}", path.display()),
        Origin::Quickstart => println!("Ostler serves the quickstart: no ostler.toml here"),
    }
    for switchboard in &host.switchboards {
        println!("  switchboard  {}", switchboard.address());
    }
    for address in host.admin.addresses() {
        println!("  admin        {address}");
    }
    for server in &config.servers {
        println!("  server       {}", server.host);
    }
    let port = host.switchboards.iter().find_map(|switchboard| switchboard.address().port());
    if let (Origin::Quickstart, Some(port)) = (origin, port) {
        println!("\nTry:");
        println!("  curl http://hello.localhost:{port}/           a server starts on this first request");
        println!("  curl http://hello.localhost:{port}/health");
        println!("  curl -N http://any-name.localhost:{port}/sse  each name is a server of its own");
        println!("  ostler ps                                  what runs, and why");
        println!("  ostler events                              what happens, as it happens");
    }
    println!("\nCtrl+C drains and stops everything.");
}

/// 3 when a drain deadline passed, and nothing worse happened.
#[allow(clippy::print_stderr, reason = "the last words of the program")]
fn exit_code(ending: &Ending) -> ExitCode {
    for path in &ending.report.stuck {
        eprintln!("did not stop in time: {path}");
    }
    let Some(error) = &ending.report.error else { return ending.code };
    let errors: Vec<&ScopeError> = std::iter::once(error).chain(error.suppressed()).collect();
    for error in &errors {
        eprintln!("error: {error}");
    }
    let only_drains = errors.iter().all(|error| error.downcast_ref::<DrainTimedOut>().is_some());
    if only_drains { ExitCode::from(DRAIN_TIMED_OUT) } else { ending.code }
}
