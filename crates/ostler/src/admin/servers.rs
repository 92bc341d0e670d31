//! `/servers` and `/failures`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use ostler_net::{Address, normalize_host};
use ostler_pool::{Key, NotFound, ServerInfo};
use tokio::time::Instant;

use super::AdminState;
use super::problem::{Problem, ProblemDetails};
use super::view::{FailureView, OutputLine, ServerDetails, ServerView, StoppedView, rfc3339, seconds};

/// The servers that start, serve, drain or stop.
#[utoipa::path(get, path = "/servers", tag = "servers", responses(
    (status = 200, description = "The servers, by key", body = [ServerView]),
))]
pub(super) async fn list(State(state): State<AdminState>) -> Json<Vec<ServerView>> {
    Json(state.pool.servers().iter().map(|info| view(&state, info)).collect())
}

/// One server, also while it starts, with its last output and failures. If there is none, the problem has the last failure of
/// the key.
#[utoipa::path(get, path = "/servers/{key}", tag = "servers", params(("key", description = "A host")), responses(
    (status = 200, description = "The server", body = ServerDetails),
    (status = 404, description = "No server runs under that key", body = ProblemDetails, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): State<AdminState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ServerDetails>, Problem> {
    let key = key(path)?;
    let info = state.pool.server(&key).ok_or_else(|| {
        let last = state.watch.failures.list(Some(key.as_str())).into_iter().next();
        Problem::no_such_server(key.as_str()).because(last)
    })?;
    let rule = state.rules.of(key.as_str());
    Ok(Json(ServerDetails {
        server: view(&state, &info),
        command: rule.and_then(|rule| rule.command.clone()),
        output: output(&state, &key),
        failures: state.watch.failures.list(Some(key.as_str())),
    }))
}

/// Drain a server and stop it. The answer comes when it is gone; the next request for its host starts another.
#[utoipa::path(delete, path = "/servers/{key}", tag = "servers", params(("key", description = "A host")), responses(
    (status = 200, description = "It is gone", body = StoppedView),
    (status = 404, description = "No server runs under that key", body = ProblemDetails, content_type = "application/problem+json"),
))]
pub(super) async fn stop(
    State(state): State<AdminState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<StoppedView>, Problem> {
    let key = key(path)?;
    let began = Instant::now();
    let unknown = || Problem::no_such_server(key.as_str());
    let generation = state.pool.server(&key).ok_or_else(unknown)?.generation.number();
    state.pool.shutdown(&key).await.map_err(|NotFound| unknown())?;
    Ok(Json(StoppedView { key: key.to_string(), generation, elapsed_seconds: seconds(began.elapsed()) }))
}

/// The last servers that failed, and why.
#[utoipa::path(get, path = "/failures", tag = "servers", responses(
    (status = 200, description = "The last failures, newest first", body = [FailureView]),
))]
pub(super) async fn failures(State(state): State<AdminState>) -> Json<Vec<FailureView>> {
    Json(state.watch.failures.list(None))
}

/// Keys are hosts in their one spelling; what is no host is looked for as it is, and not found.
fn key(path: Result<Path<String>, PathRejection>) -> Result<Key, Problem> {
    let Path(text) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(Key::from(normalize_host(&text).unwrap_or(text)))
}

fn view(state: &AdminState, info: &ServerInfo<Address>) -> ServerView {
    ServerView::new(info, state.rules.of(info.key.as_str()).map(|rule| rule.host.clone()))
}

fn output(state: &AdminState, key: &Key) -> Vec<OutputLine> {
    let lines = state.pool.factory().output(key).map(|logs| logs.lines()).unwrap_or_default();
    let skipped = lines.len().saturating_sub(state.output_lines);
    lines
        .iter()
        .skip(skipped)
        .map(|line| OutputLine {
            at: rfc3339(line.at),
            stream: match line.stream {
                ostler_process::Stream::Stdout => "stdout".to_owned(),
                ostler_process::Stream::Stderr => "stderr".to_owned(),
            },
            text: line.to_string(),
        })
        .collect()
}
