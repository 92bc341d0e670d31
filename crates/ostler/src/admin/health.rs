//! `/healthz`, `/readyz` and `/scopes`: how Ostler itself is.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use ostler_scope::{Node, NodeKind, NodeState};

use super::AdminState;
use super::view::{ScopeView, StatusView, seconds};

/// Whether Ostler is alive: it is if it answers.
#[utoipa::path(get, path = "/healthz", tag = "ostler", responses(
    (status = 200, description = "Alive", body = StatusView),
))]
pub(super) async fn healthz() -> Json<StatusView> {
    Json(StatusView { status: "alive".to_owned() })
}

/// Whether Ostler takes requests.
#[utoipa::path(get, path = "/readyz", tag = "ostler", responses(
    (status = 200, description = "It takes requests", body = StatusView),
    (status = 503, description = "It drains", body = StatusView),
))]
pub(super) async fn readyz(State(state): State<AdminState>) -> (StatusCode, Json<StatusView>) {
    let (code, status) = match state.is_draining() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    (code, Json(StatusView { status: status.to_owned() }))
}

/// Every scope, task and thread that exists right now.
#[utoipa::path(get, path = "/scopes", tag = "ostler", responses(
    (status = 200, description = "The tree from its root", body = ScopeView),
))]
pub(super) async fn scopes(State(state): State<AdminState>) -> Json<ScopeView> {
    Json(scope(state.root.tree()))
}

fn scope(node: Node) -> ScopeView {
    ScopeView {
        kind: match node.kind {
            NodeKind::Scope => "scope",
            NodeKind::Group => "group",
            NodeKind::Task => "task",
            NodeKind::Daemon => "daemon",
            NodeKind::Supervised => "supervised",
            NodeKind::Blocking => "blocking",
            NodeKind::Thread => "thread",
            NodeKind::Finalizer => "finalizer",
        }
        .to_owned(),
        state: match node.state {
            NodeState::Live => "live",
            NodeState::Halting => "halting",
            NodeState::Ended => "ended",
        }
        .to_owned(),
        name: node.name,
        age_seconds: seconds(node.age),
        children: node.children.into_iter().map(scope).collect(),
    }
}
