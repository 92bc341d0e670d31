//! `/openapi.json`: the admin API, described.

use axum::Json;
use utoipa::OpenApi;

use super::{drain, events, health, metrics, replace, servers, sessions};

/// The admin API of Ostler: what runs, why, and how to stop it. Errors are problem details (RFC 9457).
#[derive(OpenApi)]
#[openapi(
    info(title = "Ostler admin API"),
    paths(
        health::healthz,
        health::readyz,
        health::scopes,
        metrics::metrics,
        servers::list,
        servers::show,
        servers::stop,
        servers::failures,
        sessions::list,
        sessions::show,
        sessions::cancel,
        events::events,
        drain::drain,
        replace::replace,
        openapi,
    ),
    tags(
        (name = "ostler", description = "Ostler itself"),
        (name = "servers", description = "The servers it hosts"),
        (name = "sessions", description = "Calls of tools that wait, or go on by themselves"),
    )
)]
struct Document;

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "ostler", responses(
    (status = 200, description = "The description of this API", body = Object),
))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
