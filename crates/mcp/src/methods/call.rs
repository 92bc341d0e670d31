//! What may ask: `tools/call`, `prompts/get`, `resources/read`
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/utilities/mrtr)).

mod bound;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use ostler_tools::{
    Answer as SessionAnswer, Attempt, Call, CallError, CallableKind, Capabilities, Failure, InputRequired,
    Json, Reply,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use self::bound::Bound;
use super::{Exchange, Method, attempt, check, no_meta, read, tasks};
use crate::audit::Recording;
use crate::endpoint::{Endpoint, Outcome};
use crate::error::RpcError;
use crate::headers;
use crate::meta::{Meta, TASKS};
use crate::reply::{self, Answer};
use crate::state::RequestState;
use crate::stream::Told;
use crate::wire::Incoming;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallParams<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    #[serde(default)]
    input_responses: HashMap<String, Box<RawValue>>,
    #[serde(borrow)]
    request_state: Option<Cow<'a, str>>,
}

/// A call as it came. It owns what it was read from, since it outlives the request.
struct Request {
    id: Box<RawValue>,
    kind: CallableKind,
    bound: Bound,
    answers: HashMap<String, Json>,
    state: Option<String>,
    attempt: Attempt,
}

/// Begins a call. What it tells is passed on if the client can be told and wants to be.
pub(super) fn call(
    exchange: &Exchange,
    method: Method,
    incoming: &Incoming<'_>,
    id: &RawValue,
    events: bool,
) -> Result<Outcome, RpcError> {
    let (mut request, progress_token) = request(exchange, method, incoming, id)?;
    let endpoint = Arc::clone(&exchange.endpoint);
    let wanted = events && (progress_token.is_some() || request.attempt.log_level.is_some());
    let told = wanted.then(|| {
        let (sender, receiver) = mpsc::channel(endpoint.config.events_buffer);
        request.attempt.events = Some(sender);
        Told { events: receiver, progress_token }
    });
    Ok(Outcome::Answer(answer(endpoint, request).boxed(), told))
}

/// Reads a call, and by what its progress is told apart.
fn request(
    exchange: &Exchange,
    method: Method,
    incoming: &Incoming<'_>,
    id: &RawValue,
) -> Result<(Request, Option<Value>), RpcError> {
    let params = match incoming.params.map(read::<CallParams<'_>>).transpose() {
        Ok(params) => params.unwrap_or_default(),
        Err(error) => {
            // A client of another revision is told that before anything else.
            check(exchange, incoming, &super::meta(incoming.params)?)?;
            return Err(error);
        }
    };
    let meta = params.meta.ok_or_else(no_meta)?;
    check(exchange, incoming, &meta)?;
    let (kind, member, name) = match method {
        Method::PromptsGet => (CallableKind::Prompt, "name", params.name),
        Method::ResourcesRead => (CallableKind::Resource, "uri", params.uri),
        _ => (CallableKind::Tool, "name", params.name),
    };
    let name = name.ok_or_else(|| RpcError::malformed(format!("`params` lacks `{member}`")))?;
    exchange.check_header("mcp-name", &name)?;
    exchange.permit(&name)?;
    let arguments = match params.arguments {
        // A list would be read into a structure too, field by field.
        Some(arguments) if !arguments.get().starts_with('{') => {
            return Err(RpcError::malformed("`arguments` is not an object"));
        }
        Some(arguments) => Json::from(arguments),
        None => ostler_tools::no_arguments(),
    };
    check_parameters(exchange, kind, &name, &arguments)?;
    let progress_token = meta.progress_token.and_then(|token| serde_json::from_str(token.get()).ok());
    let answers = params.input_responses.into_iter().map(|(key, answer)| (key, Json::from(answer)));
    let request = Request {
        id: id.to_owned(),
        kind,
        bound: Bound { method, name: name.into_owned(), arguments },
        answers: answers.collect(),
        state: params.request_state.map(Cow::into_owned),
        attempt: attempt(&meta, &exchange.caller),
    };
    Ok((request, progress_token))
}

async fn answer(endpoint: Arc<Endpoint>, request: Request) -> Answer {
    let id = request.id.clone();
    let answered = answer_call(&endpoint, request).await;
    answered.unwrap_or_else(|error| reply::error(Some(&id), &error))
}

async fn answer_call(endpoint: &Endpoint, request: Request) -> Result<Answer, RpcError> {
    let Request { id, kind, bound, answers, state, attempt } = request;
    let recording = Recording::begin(
        endpoint.config.audit.as_ref(),
        &attempt.principal,
        bound.method.name(),
        &bound.name,
        &bound.arguments,
        attempt.trace.clone(),
    );
    let call = Call::new(kind, bound.name.clone(), bound.arguments.clone());
    let (sessions, capabilities) = (&endpoint.sessions, attempt.capabilities);
    let principal = Arc::clone(&attempt.principal);
    let reply = match state {
        None => {
            let reply = sessions.call(call.answers(answers), attempt).await;
            reply.map_err(|error| refusal(&error))
        }
        Some(state) => match bound.open(endpoint, &state, &principal) {
            Ok((RequestState { session, round, .. }, journal)) => {
                let answer = SessionAnswer { session, round, call: Some(call), answers };
                let reply = match journal {
                    Some(journal) => sessions.answer_sealed(answer, journal, attempt).await,
                    None => sessions.answer(answer, attempt).await,
                };
                reply.map_err(|error| refusal(&error))
            }
            Err(error) => Err(error),
        },
    };
    match (recording, &reply) {
        (Some(recording), Ok(reply)) => recording.replied(reply),
        (Some(recording), Err(error)) => recording.refused(error),
        (None, _) => {}
    }
    match reply? {
        Reply::Done(result) if kind == CallableKind::Resource => {
            Ok(endpoint.results.answer(&id, "complete", &not_to_be_kept(&result)))
        }
        Reply::Done(result) => Ok(endpoint.results.complete(&id, &result)),
        Reply::Failed(failure) => failed(endpoint, kind, &id, &failure),
        Reply::Input(asked) => input_required(endpoint, &id, asked, capabilities, &bound, &principal),
        Reply::Task(session) => tasks::created(endpoint, &id, session, &principal).await,
    }
}

/// Checks the fields that repeat arguments.
fn check_parameters(
    exchange: &Exchange,
    kind: CallableKind,
    name: &str,
    arguments: &Json,
) -> Result<(), RpcError> {
    let Some(fields) = exchange.headers.as_ref().filter(|_| kind == CallableKind::Tool) else {
        return Ok(());
    };
    let tools = exchange.endpoint.sessions.tools();
    let Some(tool) = tools.get(name) else { return Ok(()) };
    let repeated = headers::repeated(tool.input_schema());
    if repeated.is_empty() {
        return Ok(());
    }
    let arguments = arguments.read().map_err(|error| RpcError::malformed(error.to_string()))?;
    headers::check_parameters(fields, &repeated, &arguments)
}

/// The result of a handler, which may be another one the next time: clients keep it for no time.
fn not_to_be_kept(result: &Json) -> String {
    let members = result.as_str().strip_prefix('{').unwrap_or("}");
    format!("{{\"ttlMs\":0,\"cacheScope\":\"private\",{members}")
}

fn input_required(
    endpoint: &Endpoint,
    id: &RawValue,
    asked: InputRequired,
    client: Capabilities,
    bound: &Bound,
    principal: &str,
) -> Result<Answer, RpcError> {
    // Another client than the one that was asked first may have come back.
    for question in &asked.questions {
        let request: Value = question.request.read().unwrap_or_default();
        if let Some(what) = undeclared(&request, client) {
            return Err(unsupported(what));
        }
    }
    let InputRequired { session, round, questions, journal } = asked;
    let state = bound.seal(endpoint, principal, (session, round), journal)?;
    let mut result = String::from("{\"inputRequests\":{");
    for (index, question) in questions.iter().enumerate() {
        if index > 0 {
            result.push(',');
        }
        result.push_str(&Value::from(question.key.as_str()).to_string());
        result.push(':');
        result.push_str(question.request.as_str());
    }
    result.push_str("},\"requestState\":\"");
    result.push_str(&state);
    result.push_str("\"}");
    Ok(endpoint.results.answer(id, "input_required", &result))
}

/// What `client` would have to declare to be asked `request`.
fn undeclared(request: &Value, client: Capabilities) -> Option<&'static str> {
    let params = &request["params"];
    match request["method"].as_str() {
        Some("elicitation/create") if params["mode"] == "url" => {
            (!client.elicit_url).then_some("elicitation by URL")
        }
        Some("elicitation/create") => (!client.elicit_form).then_some("elicitation"),
        Some("sampling/createMessage") if params.get("tools").is_some() => {
            (!client.sample_tools).then_some("sampling with tools")
        }
        Some("sampling/createMessage") => (!client.sample).then_some("sampling"),
        _ => (!client.roots).then_some("roots"),
    }
}

/// The client would have to answer `what`.
pub(super) fn unsupported(what: &str) -> RpcError {
    let capabilities = match what {
        "elicitation" => json!({ "elicitation": { "form": {} } }),
        "elicitation by URL" => json!({ "elicitation": { "url": {} } }),
        "sampling" => json!({ "sampling": {} }),
        "sampling with tools" => json!({ "sampling": { "tools": {} } }),
        _ => json!({ "roots": {} }),
    };
    RpcError::missing_capability(format!("the client does not answer {what}"), capabilities)
}

/// A call that has no result.
fn failed(
    endpoint: &Endpoint,
    kind: CallableKind,
    id: &RawValue,
    failure: &Failure,
) -> Result<Answer, RpcError> {
    match failure {
        Failure::Tool { message } if kind == CallableKind::Tool => {
            Ok(endpoint.results.value(id, "complete", &tool_error(message)))
        }
        other => Err(failure_error(other)),
    }
}

/// A failure that the model is told of.
pub(crate) fn tool_error(message: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": message }], "isError": true })
}

/// A failure that is none of the tool's, as an error.
pub(crate) fn failure_error(failure: &Failure) -> RpcError {
    match failure {
        Failure::Unsupported { what } => unsupported(what),
        Failure::Tool { message } => RpcError::internal(message.clone()),
        Failure::Panicked { .. }
        | Failure::Diverged { .. }
        | Failure::VersionGone { .. }
        | Failure::Expired
        | Failure::TimeLimit
        | Failure::Cancelled
        | Failure::Storage { .. }
        | Failure::NeedsStore { .. }
        | Failure::Superseded => {
            tracing::warn!(%failure, "a call has failed");
            let mut data = serde_json::to_value(failure).unwrap_or_default();
            if let Some(members) = data.as_object_mut() {
                // What is wrong inside is for the log.
                members.retain(|key, _| key == "kind");
            }
            RpcError::internal(told(failure)).with(data)
        }
    }
}

/// What a client is told of a failure.
fn told(failure: &Failure) -> String {
    match failure {
        Failure::Panicked { .. } => "the tool has failed".into(),
        Failure::Storage { .. } => "the call cannot be recorded at present, try again".into(),
        other => other.to_string(),
    }
}

/// A call or an answer that was not taken.
pub(crate) fn refusal(error: &CallError) -> RpcError {
    let message = error.to_string();
    match error {
        CallError::Unknown { what: "resource", name } => {
            RpcError::invalid_params(message).with(json!({ "uri": name }))
        }
        CallError::NeedsTasks => {
            let mut extensions = Map::new();
            extensions.insert(TASKS.into(), json!({}));
            RpcError::missing_capability(message, json!({ "extensions": extensions }))
        }
        CallError::Unknown { .. }
        | CallError::InvalidArguments { .. }
        | CallError::UnknownSession(_)
        | CallError::Settled { .. }
        | CallError::RoundOver { .. }
        | CallError::OtherCall => RpcError::invalid_params(message),
        CallError::TooMany { .. } | CallError::NeedsStore { .. } | CallError::Closed => {
            RpcError::internal(message)
        }
        CallError::Storage(_) | CallError::Resume(_) => {
            tracing::warn!(%error, "a session cannot be read");
            RpcError::internal("the call cannot be gone on with at present, try again")
        }
    }
}
