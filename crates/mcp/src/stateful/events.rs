//! What is told of a call: the messages of its stream, each with the id by which a client comes back for those behind it.

use std::fmt;
use std::str::FromStr;

use ostler_tools::{Failure, Follower, Question, SessionEvent, SessionEventKind, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::Client;
use super::clients::Streaming;
use super::methods::{CallKind, failed, result};
use super::revision::Revision;
use crate::reply::notification;
use crate::stream::{log, progress};

/// The place of an event in the stream of its call. It is the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) session: SessionId,
    /// Counted from 1; 0 is before all events.
    pub(crate) number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.number)
    }
}

/// Not the id of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidEventId;

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (session, number) = text.split_once('.').ok_or(InvalidEventId)?;
        let session = session.parse().map_err(|_| InvalidEventId)?;
        let number = number.parse().map_err(|_| InvalidEventId)?;
        Ok(Self { session, number })
    }
}

/// The request that a session answers, as it is kept with the session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallRequest {
    pub(crate) id: Value,
    pub(crate) kind: CallKind,
    /// By which the client tells apart what progress is told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) progress_token: Option<Value>,
}

impl CallRequest {
    /// The request's id, as it is written.
    fn raw_id(&self) -> Box<RawValue> {
        RawValue::from_string(self.id.to_string()).expect("a value is JSON")
    }
}

/// What is told of a call to its client.
pub(crate) struct CallEvents {
    follower: Follower,
    pub(crate) request: CallRequest,
    revision: Revision,
    session: SessionId,
    streaming: Streaming,
    /// Addresses that the client was sent to, by the ids of the questions, and not told that it is done with them.
    visited: Vec<String>,
    /// The last message, while the client is told something before it.
    last: Option<Event>,
}

/// A message of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    /// None of what need not be told again to whoever comes back.
    pub(crate) id: Option<EventId>,
    pub(crate) message: String,
}

impl CallEvents {
    pub(crate) fn new(
        client: &Client,
        session: SessionId,
        request: CallRequest,
        follower: Follower,
        streaming: Streaming,
    ) -> Self {
        let (visited, last) = (Vec::new(), None);
        Self { follower, request, revision: client.revision, session, streaming, visited, last }
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }

    /// The next message; None behind the last one. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if self.last.is_some() {
                // The call is over: whatever was to be done at an address has been.
                let Some(id) = self.visited.pop() else { return self.last.take() };
                let params = json!({ "elicitationId": id });
                let message = notification("notifications/elicitation/complete", &params);
                return Some(Event { id: None, message });
            }
            let SessionEvent { seq, kind } = self.follower.next().await?;
            if let SessionEventKind::ElicitRequest(question) = &kind
                && self.revision >= Revision::November2025
                && is_address(question)
            {
                self.visited
                    .push(QuestionId { session: self.session, key: question.key.clone() }.to_string());
            }
            let is_end = kind.is_end();
            let Some(message) = self.message(kind) else { continue };
            let event = Event { id: Some(EventId { session: self.session, number: seq }), message };
            if !is_end {
                return Some(event);
            }
            self.last = Some(event);
        }
    }

    fn message(&self, kind: SessionEventKind) -> Option<String> {
        match kind {
            SessionEventKind::Progress { progress: at, total, message } => {
                Some(progress(self.request.progress_token.as_ref()?, at, total, message))
            }
            SessionEventKind::Log { level, logger, data } => Some(log(level, logger, &data)),
            SessionEventKind::ElicitRequest(question)
            | SessionEventKind::SampleRequest(question)
            | SessionEventKind::RootsRequest(question) => Some(asked(self.session, &question, self.revision)),
            SessionEventKind::Result(output) => Some(result(&self.request.raw_id(), &output).message),
            // Who has cancelled a request waits for no answer.
            SessionEventKind::Cancelled if self.streaming.is_cancelled() => None,
            SessionEventKind::Cancelled => Some(self.failed(&Failure::Cancelled)),
            SessionEventKind::Error(failure) => Some(self.failed(&failure)),
        }
    }

    fn failed(&self, failure: &Failure) -> String {
        failed(&self.request.raw_id(), self.request.kind, failure).message
    }
}

/// Whether the user is asked to go somewhere.
fn is_address(question: &Question) -> bool {
    let request: Value = question.request.read().unwrap_or_default();
    request["params"]["mode"] == "url"
}

/// A question as a request of the server's. Its id is the same whenever and by whichever process it is sent.
pub(super) fn asked(session: SessionId, question: &Question, revision: Revision) -> String {
    let id = QuestionId { session, key: question.key.clone() }.to_string();
    let mut request: Value = question.request.read().unwrap_or_default();
    let params = request.get_mut("params").and_then(Value::as_object_mut);
    if let Some(params) = params
        && let Some(mode) = params.get("mode").and_then(Value::as_str)
    {
        if revision < Revision::November2025 {
            params.remove("mode");
        } else if mode == "url" {
            params.insert("elicitationId".into(), id.clone().into());
        }
    }
    let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": request["method"] });
    if let Some(params) = request.get_mut("params") {
        message["params"] = params.take();
    }
    message.to_string()
}

/// The id of a request of the server's: which question of which session it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QuestionId {
    pub(super) session: SessionId,
    pub(super) key: String,
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.session, self.key)
    }
}

impl FromStr for QuestionId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (session, key) = text.split_once(':').ok_or(InvalidEventId)?;
        Ok(Self { session: session.parse().map_err(|_| InvalidEventId)?, key: key.to_owned() })
    }
}

/// A notification that something in a list has changed, or the like.
pub(super) fn changed(method: &str) -> String {
    notification(method, &json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let session = SessionId::unique();
        let event = EventId { session, number: 7 };
        assert_eq!(event.to_string().parse(), Ok(event));
        for other in
            ["", "7", "x.7", &format!("{session}."), &format!("{session}.-1"), &format!("{session}:7")]
        {
            assert_eq!(other.parse::<EventId>(), Err(InvalidEventId), "{other}");
        }
        let question = QuestionId { session, key: "trip/seat:1#2".into() };
        assert_eq!(question.to_string().parse(), Ok(question));
    }
}
