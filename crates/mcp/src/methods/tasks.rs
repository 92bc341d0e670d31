//! Tasks: calls that go on without their request
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/extensions/tasks)).

use ostler_tools::{CallError, Json, Reply, SessionId, SessionState, SessionView, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

use super::call::{failure_error, refusal, tool_error};
use super::discover::millis;
use super::{Exchange, Method, attempt, read};
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::meta::Meta;
use crate::reply::Answer;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskParams<'a> {
    #[serde(borrow)]
    task_id: Cow<'a, str>,
    #[serde(default)]
    input_responses: HashMap<String, Box<RawValue>>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

pub(super) async fn task(
    exchange: &Exchange,
    method: Method,
    params: Option<&RawValue>,
    id: &RawValue,
) -> Result<Answer, RpcError> {
    let params = params.ok_or_else(|| RpcError::malformed("there are no `params`"))?;
    let params: TaskParams<'_> = read(params)?;
    exchange.check_header("mcp-name", &params.task_id)?;
    let attempt = attempt(&params.meta.unwrap_or_default(), &exchange.caller);
    if !attempt.capabilities.tasks {
        return Err(refusal(&CallError::NeedsTasks));
    }
    let unknown = || RpcError::invalid_params(format!("there is no task `{}`", params.task_id));
    let session: SessionId = params.task_id.parse().map_err(|_| unknown())?;
    let sessions = &exchange.endpoint.sessions;
    let refused = |error: CallError| match error {
        CallError::UnknownSession(_) => unknown(),
        other => refusal(&other),
    };
    let view = sessions.view(session, &attempt.principal).await.map_err(refused)?;
    if !view.summary.detached {
        return Err(unknown());
    }
    let result = match method {
        Method::TasksUpdate => {
            let answers =
                params.input_responses.into_iter().map(|(key, answer)| (key, Json::from(answer))).collect();
            sessions.update(session, answers, attempt).await.map_err(refused)?;
            json!({})
        }
        Method::TasksCancel => {
            sessions.cancel_own(session, &attempt.principal).await.map_err(refused)?;
            json!({})
        }
        _ => detailed(&exchange.endpoint, &view),
    };
    Ok(exchange.endpoint.results.value(id, "complete", &result))
}

/// The answer to a call that has become a task.
pub(super) async fn created(
    endpoint: &Endpoint,
    id: &RawValue,
    session: SessionId,
    principal: &str,
) -> Result<Answer, RpcError> {
    let view = endpoint.sessions.view(session, principal).await.map_err(|error| refusal(&error))?;
    let task = base(endpoint, &view, SessionState::Working);
    Ok(endpoint.results.value(id, "task", &task))
}

/// What is known of a task whatever it is doing.
fn base(endpoint: &Endpoint, view: &SessionView, state: SessionState) -> Value {
    let summary = &view.summary;
    json!({
        "taskId": summary.session.to_string(),
        "status": state.as_str(),
        "createdAt": iso(summary.started),
        "lastUpdatedAt": iso(summary.updated),
        "ttlMs": millis(summary.expires.since(summary.started)),
        "pollIntervalMs": millis(endpoint.config.poll_interval),
    })
}

/// A task and what it has come to. Also what those who listen are told.
pub(super) fn detailed(endpoint: &Endpoint, view: &SessionView) -> Value {
    let summary = &view.summary;
    let (state, payload) = match (&view.end, summary.state) {
        (Some(Reply::Done(result)), _) => {
            (SessionState::Completed, Some(("result", result.read().unwrap_or_default())))
        }
        (_, SessionState::Cancelled) => (SessionState::Cancelled, None),
        (Some(Reply::Failed(ostler_tools::Failure::Tool { message })), _) => {
            (SessionState::Completed, Some(("result", tool_error(message))))
        }
        (Some(Reply::Failed(failure)), _) => {
            (SessionState::Failed, Some(("error", failure_error(failure).to_value())))
        }
        (_, SessionState::InputRequired) => {
            let asked = |question: &ostler_tools::Question| {
                (question.key.clone(), question.request.read().unwrap_or_default())
            };
            let requests: Map<String, Value> = summary.questions.iter().map(asked).collect();
            (SessionState::InputRequired, Some(("inputRequests", Value::Object(requests))))
        }
        (_, state) => (state, None),
    };
    let mut task = base(endpoint, view, state);
    if let Some((member, value)) = payload {
        task[member] = value;
    }
    task
}

/// A moment as text ([RFC 3339](https://www.rfc-editor.org/rfc/rfc3339)).
fn iso(moment: Timestamp) -> String {
    humantime::format_rfc3339_millis(moment.into()).to_string()
}
