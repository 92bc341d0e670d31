//! What a client sends that is no request: its answers, and what it tells.

use ostler_tools::{CallError, Json, ListQuery, RespondError, SessionId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::attempt;
use super::client::Client;
use super::events::{CallRequest, QuestionId};
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::wire::Response;

/// Calls of a client that are looked through for one to cancel.
const MOST_CALLS: usize = 1000;

/// Takes an answer to a question. One that was answered stays as it is: the answer may have been sent twice.
///
/// # Errors
/// Nobody waits for such an answer.
pub(super) async fn answered(
    endpoint: &Endpoint,
    client: &Client,
    response: &Response<'_>,
) -> Result<(), RpcError> {
    let unknown = || RpcError::invalid_request("nothing with that id was asked");
    let id: String = serde_json::from_str(response.id.get()).map_err(|_| unknown())?;
    let QuestionId { session, key } = id.parse().map_err(|_| unknown())?;
    let (sessions, attempt) = (&endpoint.sessions, attempt(endpoint, client));
    let taken = match &response.outcome {
        Ok(result) => sessions.respond(session, &key, Json::from(*result), attempt).await,
        Err(error) => {
            let reason = format!("{} ({})", error.message, error.code);
            sessions.refuse(session, &key, reason, attempt).await
        }
    };
    match taken {
        Ok(()) | Err(RespondError::Settled { .. }) => Ok(()),
        Err(RespondError::Session(CallError::UnknownSession(_)) | RespondError::Unknown { .. }) => {
            Err(unknown())
        }
        Err(RespondError::Expired) => Err(RpcError::invalid_request("that question is not open any more")),
        Err(RespondError::Session(error)) => Err(super::methods::not_begun(&error)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    request_id: Value,
}

/// Takes a notification. Those that there are besides cancellations say nothing here.
pub(super) async fn notified(endpoint: &Endpoint, client: &Client, method: &str, params: Option<&RawValue>) {
    if method != "notifications/cancelled" {
        return;
    }
    let Some(Ok(Cancelled { request_id })) = params.map(|params| serde_json::from_str(params.get())) else {
        return;
    };
    for session in calls(endpoint, client).await {
        if request_of(endpoint, client, session).await.is_some_and(|request| request.id == request_id) {
            endpoint.clients.cancel(session);
            cancel(endpoint, client, session).await;
        }
    }
}

/// Ends the session of `client`, and with it all its calls.
pub(crate) async fn end(endpoint: &Endpoint, client: &Client) {
    endpoint.clients.end(client.id);
    for session in calls(endpoint, client).await {
        cancel(endpoint, client, session).await;
    }
}

async fn cancel(endpoint: &Endpoint, client: &Client, session: SessionId) {
    if let Err(error) = endpoint.sessions.cancel_own(session, &client.caller.principal).await {
        tracing::warn!(%session, %error, "a call cannot be cancelled");
    }
}

/// The calls of `client` that have not ended.
pub(super) async fn calls(endpoint: &Endpoint, client: &Client) -> Vec<SessionId> {
    let query =
        ListQuery { client: Some(client.id), unfinished: true, limit: MOST_CALLS, ..ListQuery::default() };
    match endpoint.sessions.list(query).await {
        Ok(found) => found.into_iter().map(|summary| summary.session).collect(),
        Err(error) => {
            tracing::warn!(%error, "the calls of a client cannot be listed");
            Vec::new()
        }
    }
}

/// The request that `session` answers, if it is one of `client`'s.
async fn request_of(endpoint: &Endpoint, client: &Client, session: SessionId) -> Option<CallRequest> {
    let follower = endpoint.sessions.follow(session, &client.caller.principal, 0).await.ok()?;
    follower.origin().request.read().ok()
}
