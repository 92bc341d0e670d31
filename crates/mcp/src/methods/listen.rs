//! `subscriptions/listen`: a stream of what changes
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/basic/utilities/subscriptions)).

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use ostler_tools::{Change, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Interval;
use tokio_util::sync::CancellationToken;

use super::{Exchange, attempt, read, tasks};
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::meta::Meta;
use crate::reply::notification;
use crate::stream::{Piece, beat};
use crate::wire::Incoming;

/// Resources and tasks that one stream may be about.
const MOST: usize = 1000;

#[derive(Deserialize)]
struct ListenParams<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    notifications: Filter,
}

/// What a client wants to be told of, and is.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tools_list_changed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    prompts_list_changed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resources_list_changed: bool,
    #[serde(default, skip_serializing_if = "HashSet::is_empty")]
    resource_subscriptions: HashSet<String>,
    #[serde(default, skip_serializing_if = "HashSet::is_empty")]
    task_ids: HashSet<String>,
}

/// A stream of what changes.
struct Listening {
    /// The request's id, which every message carries.
    subscription: Value,
    filter: Filter,
    principal: Arc<str>,
    changes: Receiver<Change>,
    draining: CancellationToken,
    heartbeat: Interval,
    endpoint: Arc<Endpoint>,
    acknowledged: bool,
}

pub(super) fn listen(
    exchange: &Exchange,
    incoming: &Incoming<'_>,
    id: &RawValue,
    events: bool,
) -> Result<BoxStream<'static, Piece>, RpcError> {
    if !events {
        return Err(RpcError::invalid_request("the client has to accept text/event-stream"));
    }
    let params = incoming.params.ok_or_else(|| RpcError::malformed("there are no `params`"))?;
    let ListenParams { meta, notifications: mut filter } = read(params)?;
    if filter.resource_subscriptions.len() > MOST || filter.task_ids.len() > MOST {
        return Err(RpcError::invalid_params(format!("a stream is about {MOST} resources or tasks at most")));
    }
    let attempt = attempt(&meta.unwrap_or_default(), &exchange.caller);
    if !attempt.capabilities.tasks {
        filter.task_ids.clear();
    }
    let endpoint: &Arc<Endpoint> = &exchange.endpoint;
    let listening = Listening {
        subscription: serde_json::from_str(id.get()).unwrap_or_default(),
        filter,
        principal: attempt.principal,
        // Before the acknowledgement, so that nothing after it is missed.
        changes: endpoint.sessions.changes(),
        draining: exchange.draining.clone(),
        heartbeat: beat(endpoint.config.heartbeat),
        endpoint: Arc::clone(endpoint),
        acknowledged: false,
    };
    Ok(listening.stream().boxed())
}

impl Listening {
    fn stream(self) -> impl Stream<Item = Piece> + Send {
        futures::stream::unfold(self, |mut listening| async move {
            let next = listening.next().await?;
            Some((next, listening))
        })
    }

    /// None when the server ends.
    async fn next(&mut self) -> Option<Piece> {
        if !std::mem::replace(&mut self.acknowledged, true) {
            let params = json!({ "notifications": self.filter });
            return Some(Piece::Message(self.tell("notifications/subscriptions/acknowledged", params)));
        }
        loop {
            let change = tokio::select! {
                biased;
                () = self.draining.cancelled() => return None,
                change = self.changes.recv() => change,
                _ = self.heartbeat.tick() => return Some(Piece::Heartbeat),
            };
            match change {
                Ok(change) => {
                    if let Some(message) = self.message(change).await {
                        return Some(Piece::Message(message));
                    }
                }
                // It may have missed anything, so it ends: the client listens anew and looks at everything again.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    }

    async fn message(&self, change: Change) -> Option<String> {
        let filter = &self.filter;
        match change {
            Change::Tools => {
                filter.tools_list_changed.then(|| self.tell("notifications/tools/list_changed", json!({})))
            }
            Change::Prompts => filter
                .prompts_list_changed
                .then(|| self.tell("notifications/prompts/list_changed", json!({}))),
            Change::Resources => filter
                .resources_list_changed
                .then(|| self.tell("notifications/resources/list_changed", json!({}))),
            Change::Resource(uri) => filter
                .resource_subscriptions
                .contains(&*uri)
                .then(|| self.tell("notifications/resources/updated", json!({ "uri": &*uri }))),
            Change::Session(session) => self.task(session).await,
        }
    }

    async fn task(&self, session: SessionId) -> Option<String> {
        if !self.filter.task_ids.contains(&session.to_string()) {
            return None;
        }
        let view = self.endpoint.sessions.view(session, &self.principal).await.ok()?;
        view.summary
            .detached
            .then(|| self.tell("notifications/tasks", tasks::detailed(&self.endpoint, &view)))
    }

    fn tell(&self, method: &str, mut params: Value) -> String {
        params["_meta"] = json!({ "io.modelcontextprotocol/subscriptionId": self.subscription });
        notification(method, &params)
    }
}
