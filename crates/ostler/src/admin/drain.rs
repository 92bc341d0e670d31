//! `POST /drain`: the end of everything, on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use futures::future::join_all;
use ostler_http::{Cut, Drain, ServerHandle};
use ostler_scope::{Closed, Deadline, Scope, ScopeHandle};
use serde::Deserialize;
use tokio::sync::Notify;

use super::AdminState;
use super::problem::{Problem, ProblemDetails};
use super::view::{DrainView, ListenerDrained, seconds};

/// The drain of the switchboards and of the endpoint, begun at most once.
#[derive(Debug)]
pub(super) struct Draining {
    servers: Vec<ServerHandle>,
    /// Where the drain runs: it goes on when whoever asked for it goes away.
    scope: ScopeHandle,
    begun: AtomicBool,
    /// They have drained; who runs Ostler waits for it.
    done: Notify,
}

impl Draining {
    pub(super) fn new(servers: Vec<ServerHandle>, scope: &Scope) -> Arc<Self> {
        let scope = scope.handle();
        Arc::new(Self { servers, scope, begun: AtomicBool::new(false), done: Notify::new() })
    }

    /// Whether a drain has been asked for.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Waits until they have drained because somebody asked for it.
    pub(super) async fn done(&self) {
        self.done.notified().await;
    }

    /// Drains, or joins the drain under way, which it can shorten.
    async fn drain(self: &Arc<Self>, within: Duration) -> Vec<(String, Drain)> {
        let deadline = Deadline::after(within);
        if !self.begun.swap(true, Ordering::AcqRel) {
            tracing::info!(?within, "drain requested");
            let (this, deadline) = (Arc::clone(self), deadline.clone());
            let draining = async move {
                this.wait(&deadline).await;
                this.done.notify_one();
                Ok::<_, Closed>(())
            };
            // Refused only when everything halts already, and that drains too.
            let _ = self.scope.spawn("drain", draining);
        }
        self.wait(&deadline).await
    }

    async fn wait(&self, deadline: &Deadline) -> Vec<(String, Drain)> {
        join_all(
            self.servers
                .iter()
                .map(async |server| (server.address().to_string(), server.drain(deadline.clone()).await)),
        )
        .await
    }
}

/// How to drain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainQuery {
    /// How long requests in flight may go on, such as `5s`. Default: `switchboard.drain_timeout`.
    #[serde(default, with = "humantime_serde")]
    deadline: Option<Duration>,
}

/// Stop taking requests, finish those in flight, and end. The answer comes when the switchboards and the
/// endpoint have drained; the servers stop after that. Another call joins the drain, and can bring its deadline forward.
#[utoipa::path(post, path = "/drain", tag = "ostler",
    params(("deadline" = Option<String>, Query, example = "5s",
        description = "How long requests in flight may go on. Default: `switchboard.drain_timeout`")),
    responses(
        (status = 200, description = "How the drain went, also when its deadline passed", body = DrainView),
        (status = 400, description = "The deadline is no duration", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub(super) async fn drain(
    State(state): State<AdminState>,
    query: Result<Query<DrainQuery>, QueryRejection>,
) -> Result<Json<DrainView>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let drained = state.draining.drain(query.deadline.unwrap_or(state.drain_timeout)).await;
    let listeners: Vec<_> = drained.into_iter().map(|(address, drain)| listener(address, &drain)).collect();
    Ok(Json(DrainView { drained: listeners.iter().all(|listener| listener.drained), listeners }))
}

fn listener(address: String, drain: &Drain) -> ListenerDrained {
    let summary = drain.to_string();
    let listener = ListenerDrained { address, summary, ..ListenerDrained::default() };
    match drain {
        Drain::Drained { served, dropped_pipelined, elapsed } => ListenerDrained {
            drained: true,
            served: Some(*served),
            dropped_pipelined: Some(*dropped_pipelined),
            elapsed_seconds: Some(seconds(*elapsed)),
            ..listener
        },
        Drain::TimedOut(Cut { aborted, stuck, .. }) | Drain::Forced(Cut { aborted, stuck, .. }) => {
            ListenerDrained { aborted: *aborted, stuck: *stuck, ..listener }
        }
        Drain::SupervisorFailed => listener,
    }
}
