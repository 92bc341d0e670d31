//! `ostler drain`.

use std::process::ExitCode;
use std::time::Duration;

use http::Method;

use super::DRAIN_TIMED_OUT;
use super::client::Client;
use super::failure::{Failure, print, remark};
use super::words::printable;
use crate::admin::DrainView;

pub(super) async fn run(client: Client, deadline: Option<Duration>) -> Result<ExitCode, Failure> {
    let path = match deadline {
        // Milliseconds, so that the query needs no escapes.
        Some(deadline) => format!("/drain?deadline={}ms", deadline.as_millis()),
        None => "/drain".to_owned(),
    };
    // It answers at its deadline at the latest.
    let drain: DrainView = client.ask(Method::POST, &path, None).await?;
    let lines = drain
        .listeners
        .iter()
        .map(|listener| format!("{}  {}\n", printable(&listener.address), printable(&listener.summary)));
    print(&lines.collect::<String>())?;
    remark("Ostler ends now: its servers are stopped.");
    Ok(if drain.drained { ExitCode::SUCCESS } else { ExitCode::from(DRAIN_TIMED_OUT) })
}
