//! What may ask: `tools/call`, `prompts/get`, `resources/read`.

use std::borrow::Cow;
use std::sync::Arc;

use ostler_tools::{Attempt, Call, Capabilities, Json, LogLevel, Origin, Reply};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::Client;
use super::events::{CallEvents, CallRequest};
use super::handle::Handled;
use super::methods::{CallKind, failed, not_begun, refused, result};
use crate::audit::Recording;
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::methods::read;

#[derive(Default, Deserialize)]
struct CallParams<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta", default)]
    meta: CallMeta<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallMeta<'a> {
    #[serde(borrow)]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

/// The least level of log messages that clients are sent who have not said which they want.
const DEFAULT_LEVEL: LogLevel = LogLevel::Info;

/// Calls. What does not end at once goes on whatever becomes of the request. A client that `hears` nothing before the answer is
/// asked nothing.
pub(super) async fn call(
    endpoint: &Endpoint,
    client: &Client,
    kind: CallKind,
    id: &RawValue,
    params: Option<&RawValue>,
    hears: bool,
) -> Handled {
    match begin(endpoint, client, kind, id, params, hears).await {
        Ok(called) => called,
        Err(error) => Handled::Answer(refused(id, error)),
    }
}

async fn begin(
    endpoint: &Endpoint,
    client: &Client,
    kind: CallKind,
    id: &RawValue,
    params: Option<&RawValue>,
    hears: bool,
) -> Result<Handled, RpcError> {
    let params = params.map(read::<CallParams<'_>>).transpose()?.unwrap_or_default();
    let (member, name) = match kind {
        CallKind::Tool | CallKind::Prompt => ("name", params.name),
        CallKind::Resource => ("uri", params.uri),
    };
    let name = name.ok_or_else(|| RpcError::malformed(format!("`params` lacks `{member}`")))?;
    if let Some(auth) = &endpoint.config.auth {
        auth.permit(&client.caller, &name)?;
    }
    let arguments = match params.arguments {
        Some(arguments) if !arguments.get().starts_with('{') => {
            return Err(RpcError::malformed("`arguments` is not an object"));
        }
        Some(arguments) => Json::from(arguments),
        None => ostler_tools::no_arguments(),
    };
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap_or_default();
    let request = CallRequest { id: value(id), kind, progress_token: params.meta.progress_token.map(value) };
    let origin = Origin { client: client.id, request: Json::of(&request).expect("it has a form in JSON") };
    let attempt = Attempt {
        capabilities: if hears { client.capabilities } else { Capabilities::default() },
        trace: params.meta.traceparent.as_deref().and_then(crate::methods::trace),
        ..attempt(endpoint, client)
    };
    let recording = Recording::begin(
        endpoint.config.audit.as_ref(),
        &client.caller.principal,
        kind.method(),
        &name,
        &arguments,
        attempt.trace.clone(),
    );
    let call = Call::new(kind.callable(), name, arguments).of(origin);
    let reply = endpoint.sessions.launch(call, attempt).await.map_err(|error| not_begun(&error));
    match (recording, &reply) {
        (Some(recording), Ok(reply)) => recording.replied(reply),
        (Some(recording), Err(error)) => recording.refused(error),
        (None, _) => {}
    }
    match reply? {
        Reply::Done(output) => Ok(Handled::Answer(result(id, &output))),
        Reply::Failed(failure) => Ok(Handled::Answer(failed(id, kind, &failure))),
        Reply::Task(session) => {
            let streaming = endpoint.clients.streams(session);
            let follower = endpoint.sessions.follow(session, &client.caller.principal, 0).await;
            let follower = follower.map_err(|error| not_begun(&error))?;
            let events = CallEvents::new(client, session, request, follower, streaming);
            Ok(Handled::Events(Box::new(events)))
        }
        Reply::Input(_) => Err(RpcError::internal("a call that goes on by itself asks nobody")),
    }
}

/// What `client` does in its session, besides a call.
pub(super) fn attempt(endpoint: &Endpoint, client: &Client) -> Attempt {
    Attempt {
        principal: Arc::clone(&client.caller.principal),
        log_level: Some(endpoint.clients.level(client.id).unwrap_or(DEFAULT_LEVEL)),
        ..Attempt::anonymous().with(client.capabilities)
    }
}
