//! What Ostler says while it runs, on stderr.

use std::io::IsTerminal;

use ostler_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Overrides the filter of the configuration.
const FILTER_VARIABLE: &str = "OSTLER_LOG";

/// Starts to write the log. The first call in a process counts.
pub(super) fn start(log: &Log) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| {
        // The configuration has checked it.
        EnvFilter::new(log.filter.as_str())
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log had been started before");
    }
}
