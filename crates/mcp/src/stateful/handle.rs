//! From a client's message to what it leads to, whichever way it came.

use ostler_tools::{ClientId, Json, Resume};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{answered, notified};
use super::call::call;
use super::client::Client;
use super::events::CallEvents;
use super::methods::{CallKind, answer, declared, introduction, refused, result};
use super::revision::Revision;
use crate::auth::Caller;
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::meta::{Declared, Params};
use crate::methods::read;
use crate::reply::Answer;
use crate::wire::{Incoming, Message};

/// What a client's message leads to.
pub(crate) enum Handled {
    /// It was no request, and was taken.
    Nothing,
    /// It was no request, and was not taken.
    Refused(RpcError),
    /// The response.
    Answer(Answer),
    /// Messages, the last of which is the response. Dropped, the call goes on all the same.
    Events(Box<CallEvents>),
}

/// Takes a message of `client`'s. One that `hears` nothing before a response is asked nothing.
pub(crate) async fn handle(
    endpoint: &Endpoint,
    client: &Client,
    message: Message<'_>,
    hears: bool,
) -> Handled {
    match message {
        Message::Response(response) => match answered(endpoint, client, &response).await {
            Ok(()) => Handled::Nothing,
            Err(error) => Handled::Refused(error),
        },
        Message::Incoming(Incoming { id: None, method, params }) => {
            notified(endpoint, client, &method, params).await;
            Handled::Nothing
        }
        Message::Incoming(Incoming { id: Some(id), method, params }) => match CallKind::of(&method) {
            Some(kind) => call(endpoint, client, kind, id, params, hears).await,
            None => Handled::Answer(match answer(endpoint, client, &method, params).await {
                Ok(value) => result(id, &Json::from(&value)),
                Err(error) => refused(id, error),
            }),
        },
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialize {
    protocol_version: String,
    capabilities: Declared,
}

/// Makes the acquaintance of a client, who is `caller`, by its `initialize`.
///
/// # Errors
/// It does not say what it has to; or there is no store, which its session needs.
pub(crate) fn introduce(
    endpoint: &Endpoint,
    caller: Caller,
    id: &RawValue,
    params: Option<&RawValue>,
) -> Result<(Client, Answer), RpcError> {
    let params = params.ok_or_else(|| RpcError::malformed("there are no `params`"))?;
    let Initialize { protocol_version, capabilities } = read(params)?;
    match endpoint.sessions.resume_by() {
        Resume::Journal => {}
        // What is asked on a stream is answered in another request, which may come to a server that knows of neither.
        Resume::Sealed => return Err(RpcError::stateless(&protocol_version)),
    }
    let client = Client {
        id: ClientId::unique(),
        caller,
        revision: Revision::negotiated(&protocol_version),
        capabilities: declared(capabilities.capabilities()),
    };
    let introduction = Json::from(&introduction(endpoint, &client));
    let answer = result(id, &introduction);
    Ok((client, answer))
}

/// Whether a message says itself that it is of the revision without sessions.
pub(crate) fn names_later_revision(message: &Message<'_>) -> bool {
    let Message::Incoming(Incoming { params: Some(params), .. }) = message else { return false };
    // Looked for first, since most messages have none, and it would have to be read only for this.
    params.get().contains("io.modelcontextprotocol/protocolVersion")
        && serde_json::from_str::<Params<'_>>(params.get())
            .is_ok_and(|params| params.meta.is_some_and(|meta| meta.version.is_some()))
}
