//! What may ask: `tools/call`, `prompts/get`, `resources/read`
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/utilities/mrtr)).

use std::borrow::Cow;
use std::collections::HashMap;

use futures::FutureExt;
use ostler_tools::{
    Answer as SessionAnswer, Attempt, Call, CallError, CallableKind, Capabilities, Failure, InputRequired,
    Json, Reply,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{Exchange, Method, attempt, read, tasks};
use crate::endpoint::Outcome;
use crate::error::RpcError;
use crate::headers;
use crate::meta::{Meta, TASKS};
use crate::reply::{self, Answer};
use crate::state::{Binding, RequestState};
use crate::stream::Told;
use crate::wire::{self, Incoming};

#[derive(Deserialize)]
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

/// Begins a call. What it tells is passed on if the client can be told and wants to be.
pub(super) fn call(exchange: Exchange, method: Method, incoming: &Incoming<'_>, events: bool) -> Outcome {
    let meta = incoming.params.and_then(|params| super::meta(Some(params)).ok()).unwrap_or_default();
    let progress_token = meta.progress_token.and_then(|token| serde_json::from_str(token.get()).ok());
    let wanted = events && (progress_token.is_some() || meta.log_level.is_some());
    if !wanted {
        return Outcome::Answer(answer(exchange, method, None).boxed(), None);
    }
    let (sender, receiver) = mpsc::channel(exchange.endpoint.config.events_buffer);
    let told = Told { events: receiver, progress_token };
    Outcome::Answer(answer(exchange, method, Some(sender)).boxed(), Some(told))
}

async fn answer(
    exchange: Exchange,
    method: Method,
    events: Option<mpsc::Sender<ostler_tools::SessionEvent>>,
) -> Answer {
    let Ok(Incoming { id: Some(id), params, .. }) = wire::read(&exchange.body) else {
        return reply::error(None, &RpcError::internal("the body was read before"));
    };
    let answered = match params {
        Some(params) => answer_call(&exchange, method, id, params, events).await,
        None => Err(RpcError::malformed("there are no `params`")),
    };
    answered.unwrap_or_else(|error| reply::error(Some(id), &error))
}

async fn answer_call(
    exchange: &Exchange,
    method: Method,
    id: &RawValue,
    params: &RawValue,
    events: Option<mpsc::Sender<ostler_tools::SessionEvent>>,
) -> Result<Answer, RpcError> {
    let params: CallParams<'_> = read(params)?;
    let (kind, member, name) = match method {
        Method::PromptsGet => (CallableKind::Prompt, "name", params.name),
        Method::ResourcesRead => (CallableKind::Resource, "uri", params.uri),
        _ => (CallableKind::Tool, "name", params.name),
    };
    let name = name.ok_or_else(|| RpcError::malformed(format!("`params` lacks `{member}`")))?;
    headers::check(&exchange.headers, "mcp-name", &name)?;
    let arguments = match params.arguments {
        // A list would be read into a structure too, field by field.
        Some(arguments) if !arguments.get().starts_with('{') => {
            return Err(RpcError::malformed("`arguments` is not an object"));
        }
        Some(arguments) => Json::from(arguments),
        None => ostler_tools::no_arguments(),
    };
    check_parameters(exchange, kind, &name, &arguments)?;
    let attempt = Attempt { events, ..attempt(&params.meta.unwrap_or_default()) };
    let answers = params.input_responses.into_iter().map(|(key, answer)| (key, Json::from(answer))).collect();
    let bound = Bound { method, name: name.clone().into_owned(), arguments: arguments.clone() };
    let call = Call::new(kind, name.into_owned(), arguments);
    let (sessions, capabilities) = (&exchange.endpoint.sessions, attempt.capabilities);
    let principal = std::sync::Arc::clone(&attempt.principal);
    let reply = match params.request_state {
        None => sessions.call(call.answers(answers), attempt).await,
        Some(state) => {
            let now = sessions.clock().now();
            let state = exchange.endpoint.keys.open(&state, bound.binding(&principal), now);
            let RequestState { session, round, .. } =
                state.map_err(|error| RpcError::invalid_params(error.to_string()))?;
            sessions.answer(SessionAnswer { session, round, call: Some(call), answers }, attempt).await
        }
    };
    match reply.map_err(|error| refusal(&error))? {
        Reply::Done(result) if kind == CallableKind::Resource => {
            Ok(exchange.endpoint.results.answer(id, "complete", &not_to_be_kept(&result)))
        }
        Reply::Done(result) => Ok(exchange.endpoint.results.complete(id, &result)),
        Reply::Failed(failure) => failed(exchange, kind, id, &failure),
        Reply::Input(asked) => input_required(exchange, id, &asked, capabilities, &bound, &principal),
        Reply::Task(session) => tasks::created(exchange, id, session, &principal).await,
    }
}

/// What a state is bound to.
struct Bound {
    method: Method,
    name: String,
    arguments: Json,
}

impl Bound {
    fn binding<'a>(&'a self, principal: &'a str) -> Binding<'a> {
        Binding {
            principal,
            method: self.method.name(),
            name: &self.name,
            arguments: self.arguments.as_str(),
        }
    }
}

/// Checks the fields that repeat arguments.
fn check_parameters(
    exchange: &Exchange,
    kind: CallableKind,
    name: &str,
    arguments: &Json,
) -> Result<(), RpcError> {
    if kind != CallableKind::Tool {
        return Ok(());
    }
    let tools = exchange.endpoint.sessions.tools();
    let Some(tool) = tools.get(name) else { return Ok(()) };
    let repeated = headers::repeated(tool.input_schema());
    if repeated.is_empty() {
        return Ok(());
    }
    let arguments = arguments.read().map_err(|error| RpcError::malformed(error.to_string()))?;
    headers::check_parameters(&exchange.headers, &repeated, &arguments)
}

/// The result of a handler, which may be another one the next time: clients keep it for no time.
fn not_to_be_kept(result: &Json) -> String {
    let members = result.as_str().strip_prefix('{').unwrap_or("}");
    format!("{{\"ttlMs\":0,\"cacheScope\":\"private\",{members}")
}

fn input_required(
    exchange: &Exchange,
    id: &RawValue,
    asked: &InputRequired,
    client: Capabilities,
    bound: &Bound,
    principal: &str,
) -> Result<Answer, RpcError> {
    let endpoint = &exchange.endpoint;
    // Another client than the one that was asked first may have come back.
    for question in &asked.questions {
        let request: Value = question.request.read().unwrap_or_default();
        if let Some(what) = undeclared(&request, client) {
            return Err(unsupported(what));
        }
    }
    let expires = endpoint.sessions.clock().now().after(endpoint.config.state_ttl);
    let state = RequestState { session: asked.session, round: asked.round, expires };
    let state = endpoint.keys.seal(state, bound.binding(principal));
    let mut result = String::from("{\"inputRequests\":{");
    for (index, question) in asked.questions.iter().enumerate() {
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
    exchange: &Exchange,
    kind: CallableKind,
    id: &RawValue,
    failure: &Failure,
) -> Result<Answer, RpcError> {
    match failure {
        Failure::Tool { message } if kind == CallableKind::Tool => {
            Ok(exchange.endpoint.results.value(id, "complete", &tool_error(message)))
        }
        other => Err(failure_error(other)),
    }
}

/// A failure that the model is told of.
pub(super) fn tool_error(message: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": message }], "isError": true })
}

/// A failure that is none of the tool's, as an error.
pub(super) fn failure_error(failure: &Failure) -> RpcError {
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
pub(super) fn refusal(error: &CallError) -> RpcError {
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
        CallError::TooMany { .. } | CallError::Closed => RpcError::internal(message),
        CallError::Storage(_) | CallError::Resume(_) => {
            tracing::warn!(%error, "a session cannot be read");
            RpcError::internal("the call cannot be gone on with at present, try again")
        }
    }
}
