//! `ostler replace`.

use std::process::ExitCode;
use std::time::Duration;

use http::Method;

use super::CONFIGURATION;
use super::client::Client;
use super::failure::{Failure, print, remark};
use super::words::{human, printable};
use crate::admin::{CONFIGURATION_REFUSED, REPLACEMENT_FAILED, ReplacedView};

pub(super) async fn run(client: Client) -> Result<ExitCode, Failure> {
    // It answers after `switchboard.replace_timeout` at the latest.
    let replaced: ReplacedView = client.ask(Method::POST, "/replace", None).await.map_err(explain)?;
    let ReplacedView { pid, version, elapsed_seconds } = replaced;
    let elapsed = human(Duration::try_from_secs_f64(elapsed_seconds).unwrap_or_default());
    print(&format!("process {pid} has taken over after {elapsed}, version {}\n", printable(&version)))?;
    remark("The one before finishes its requests and ends.");
    Ok(ExitCode::SUCCESS)
}

/// Says that nothing has changed, which is what one wants to know first.
fn explain(failure: Failure) -> Failure {
    let Failure::Refused { problem, detail } = failure else { return failure };
    match problem.as_str() {
        CONFIGURATION_REFUSED => {
            Failure::new(format!("not replaced, the configuration is wrong:\n{}", lines(&detail)))
                .help("the one that runs goes on with what it has read at its start")
                .code(CONFIGURATION)
        }
        REPLACEMENT_FAILED => Failure::new(format!("not replaced: {}", lines(&detail)))
            .help("the one that runs goes on; what its successor wrote is in its own output"),
        _ => Failure::Refused { problem, detail },
    }
}

/// Foreign text that may have several lines.
fn lines(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n")
}
