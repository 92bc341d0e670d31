//! `/sessions`: what waits for whom, and since when.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use ostler_tools::{CallError, ListQuery, Question, SessionId, SessionSummary, Sessions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::AdminState;
use super::problem::{Problem, ProblemDetails};
use super::view::{rfc3339, seconds};

/// As many sessions come at a time unless the request says otherwise.
const PAGE: usize = 100;
/// As many sessions come at a time at most.
const LARGEST_PAGE: usize = 1000;

/// A session at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// What it runs: a tool, or `prompt:NAME`, or `resource:ADDRESS`.
    pub tool: String,
    /// The version of the tool's code.
    pub version: u32,
    /// Who called.
    pub principal: String,
    /// `working`, `input_required`, `completed`, `failed` or `cancelled`.
    pub state: String,
    /// The last round that closed; 0 if none has.
    pub round: u32,
    /// Whether it goes on without a request.
    pub task: bool,
    /// What it waits for.
    pub questions: Vec<QuestionView>,
    /// When it began (RFC 3339).
    pub started: String,
    /// Seconds since then.
    pub age_seconds: f64,
    /// Seconds since anything was written of it: if it waits, how long it has.
    pub quiet_seconds: f64,
    /// When it expires (RFC 3339).
    pub expires: String,
}

/// A question that waits for an answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuestionView {
    /// Its key.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// What is asked, as the client is: message, schema, context.
    #[schema(value_type = Object)]
    pub params: Value,
}

/// What cancelling did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CancelledView {
    /// The session.
    pub id: String,
}

/// Which sessions to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionsQuery {
    /// Only sessions behind this one: the last of the page before.
    after: Option<SessionId>,
    /// Only sessions of this principal.
    principal: Option<String>,
    /// Also those that have ended and are still kept.
    #[serde(default)]
    all: bool,
    /// How many at the most: 100 unless it says otherwise, 1000 at most.
    limit: Option<usize>,
}

/// The sessions, in the order of their age: those that have not ended, unless all are asked for.
#[utoipa::path(get, path = "/sessions", tag = "sessions",
    params(
        ("after" = Option<String>, Query, description = "Only sessions behind this one: the last of the page before"),
        ("principal" = Option<String>, Query, description = "Only sessions of this principal"),
        ("all" = Option<bool>, Query, description = "Also those that have ended and are still kept"),
        ("limit" = Option<usize>, Query, description = "How many at the most: 100 unless it says otherwise, 1000 at most"),
    ),
    responses(
        (status = 200, description = "The sessions", body = [SessionView]),
        (status = 400, description = "The query is wrong", body = ProblemDetails, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(state): State<AdminState>,
    query: Result<Query<SessionsQuery>, QueryRejection>,
) -> Result<Json<Vec<SessionView>>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let Some(mcp) = &state.mcp else { return Ok(Json(Vec::new())) };
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let principal = query.principal.map(Into::into);
    let query = ListQuery { after: query.after, principal, client: None, unfinished: !query.all, limit };
    let sessions = mcp.sessions();
    let listed = sessions.list(query).await.map_err(|error| Problem::store(&error))?;
    Ok(Json(listed.into_iter().map(|summary| view(sessions, summary)).collect()))
}

/// One session.
#[utoipa::path(get, path = "/sessions/{id}", tag = "sessions", params(("id", description = "A session's id")), responses(
    (status = 200, description = "The session", body = SessionView),
    (status = 404, description = "There is no such session", body = ProblemDetails, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): State<AdminState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionView>, Problem> {
    let (sessions, id) = find(&state, path)?;
    let summary = sessions.summary(id).await.map_err(|error| Problem::store(&error))?;
    let summary = summary.ok_or_else(|| Problem::no_such_session(&id.to_string()))?;
    Ok(Json(view(&sessions, summary)))
}

/// Cancel a session: its tool is told, and everything it has begun ends.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", params(("id", description = "A session's id")), responses(
    (status = 200, description = "It is cancelled", body = CancelledView),
    (status = 404, description = "No session of that id goes on", body = ProblemDetails, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(state): State<AdminState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<CancelledView>, Problem> {
    let (sessions, id) = find(&state, path)?;
    match sessions.cancel(id).await {
        Ok(()) => Ok(Json(CancelledView { id: id.to_string() })),
        Err(CallError::Storage(error)) => Err(Problem::store(&error)),
        Err(_) => Err(Problem::no_such_session(&id.to_string())),
    }
}

fn find(
    state: &AdminState,
    path: Result<Path<String>, PathRejection>,
) -> Result<(Sessions, SessionId), Problem> {
    let Path(text) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    let found = state.mcp.as_ref().zip(text.parse().ok());
    let (mcp, id) = found.ok_or_else(|| Problem::no_such_session(&text))?;
    Ok((mcp.sessions().clone(), id))
}

fn view(sessions: &Sessions, summary: SessionSummary) -> SessionView {
    let now = sessions.clock().now();
    SessionView {
        id: summary.session.to_string(),
        tool: summary.tool.to_string(),
        version: summary.version,
        principal: summary.principal.to_string(),
        state: summary.state.as_str().to_owned(),
        round: summary.round,
        task: summary.detached,
        questions: summary.questions.iter().map(question).collect(),
        started: rfc3339(summary.started.into()),
        age_seconds: seconds(now.since(summary.started)),
        quiet_seconds: seconds(now.since(summary.updated)),
        expires: rfc3339(summary.expires.into()),
    }
}

fn question(question: &Question) -> QuestionView {
    let mut request: Value = question.request.read().unwrap_or_default();
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    QuestionView { key: question.key.clone(), method, params: request["params"].take() }
}
