//! The stream of a client that is no call's: what changes, and what nobody else is being asked
//! ([specification](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server)).

use std::collections::VecDeque;
use std::sync::Arc;

use ostler_tools::Change;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::answer::calls;
use super::client::Client;
use super::events::{asked, changed};
use crate::endpoint::Endpoint;
use crate::reply::notification;

/// The id of all events of such a stream: nothing in it is sent again to whoever comes back.
pub(super) const LISTENING: &str = "listening";

/// How it is told that the lists of tools, of prompts and of resources have changed.
const LISTS: [&str; 3] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
];

/// What a client is told outside of its calls.
pub(crate) struct Listening {
    endpoint: Arc<Endpoint>,
    client: Client,
    changes: Receiver<Change>,
    /// What is told before anything else: questions that are sent again.
    first: VecDeque<String>,
}

impl Listening {
    /// For a client that comes anew, or comes `back` to such a stream. One that comes anew may have lost what it was asked.
    pub(crate) async fn open(endpoint: &Arc<Endpoint>, client: Client, back: bool) -> Self {
        let changes = endpoint.sessions.changes();
        let first = if back { VecDeque::new() } else { unanswered(endpoint, &client).await };
        Self { endpoint: Arc::clone(endpoint), client, changes, first }
    }

    /// The next message; None when the server ends. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if let Some(question) = self.first.pop_front() {
            return Some(question);
        }
        loop {
            match self.changes.recv().await {
                Ok(change) => {
                    if let Some(message) = self.message(&change) {
                        return Some(message);
                    }
                }
                // Anything may have changed.
                Err(RecvError::Lagged(_)) => {
                    self.first.extend(LISTS.map(changed));
                    return self.first.pop_front();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn message(&self, change: &Change) -> Option<String> {
        match change {
            Change::Tools => Some(changed(LISTS[0])),
            Change::Prompts => Some(changed(LISTS[1])),
            Change::Resources => Some(changed(LISTS[2])),
            Change::Resource(uri) => {
                let subscribed = self.endpoint.clients.is_subscribed(self.client.id, uri);
                subscribed.then(|| notification("notifications/resources/updated", &json!({ "uri": &**uri })))
            }
            Change::Session(_) => None,
        }
    }
}

/// The open questions of calls whose events nobody is being sent.
async fn unanswered(endpoint: &Endpoint, client: &Client) -> VecDeque<String> {
    let mut questions = VecDeque::new();
    for session in calls(endpoint, client).await {
        if endpoint.clients.is_streamed(session) {
            continue;
        }
        let Ok(view) = endpoint.sessions.view(session, &client.caller.principal).await else { continue };
        let open = view.summary.questions.iter();
        questions.extend(open.map(|question| asked(session, question, client.revision)));
    }
    questions
}
