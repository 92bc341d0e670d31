//! `ostler stdio`: the tools for the program that has started this process, over its standard streams.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ostler_config::Config;
use ostler_scope::Scope;
use tokio::signal::unix::{SignalKind, signal};

use super::check::load;
use super::failure::Failure;
use super::log;
use crate::mcp;

pub(super) fn run(path: Option<&Path>) -> Result<ExitCode, Failure> {
    let config = load(path).map_err(Failure::Silent)?.config;
    log::start(&config.log);
    let failed = |error: io::Error| Failure::new(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let scope = Scope::root("stdio").open().map_err(|error| Failure::new(error.to_string()))?;
        let ended = tokio::select! {
            biased;
            _ = terminate.recv() => Ok(by(SignalKind::terminate())),
            _ = interrupt.recv() => Ok(by(SignalKind::interrupt())),
            served = serve(&scope, &config) => served.map(|()| ExitCode::SUCCESS),
        };
        scope.halt().await;
        ended
    });
    // A line may still be waited for that nobody is going to send.
    runtime.shutdown_background();
    result
}

async fn serve(scope: &Scope, config: &Config) -> Result<(), Failure> {
    let endpoint = mcp::in_memory(scope, config).map_err(|error| Failure::new(error.to_string()))?;
    if endpoint.sessions().tools().tools().next().is_none() {
        tracing::warn!("no tools are offered: add `tools = [\"demo\"]` to [mcp]");
    }
    let longest = config.mcp.bounds.max_body_size.value().and_then(|bytes| usize::try_from(bytes).ok());
    let served = Arc::new(endpoint).serve_stdio(
        tokio::io::stdin(),
        tokio::io::stdout(),
        longest.unwrap_or(usize::MAX),
    );
    match served.await {
        // Whoever has started this process has gone without waiting for what it asked.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served.map_err(|error| Failure::new(format!("the standard streams broke: {error}"))),
    }
}

fn by(signal: SignalKind) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal.as_raw_value()).unwrap_or(u8::MAX))
}
