//! Errors of the admin API as problem details (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ostler_tools::StorageError;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::FailureView;

const BAD_REQUEST: &str = "bad-request";
const WRONG_HOST: &str = "wrong-host";
const CROSS_ORIGIN: &str = "cross-origin";
const NOT_JSON: &str = "not-json";
const NO_SUCH_PATH: &str = "no-such-path";
const NO_SUCH_METHOD: &str = "no-such-method";
pub(crate) const NO_SUCH_SERVER: &str = "no-such-server";
pub(crate) const NO_SUCH_SESSION: &str = "no-such-session";
const STORE_UNAVAILABLE: &str = "store-unavailable";
pub(crate) const REPLACEMENT_REFUSED: &str = "replacement-refused";
pub(crate) const REPLACEMENT_FAILED: &str = "replacement-failed";
pub(crate) const CONFIGURATION_REFUSED: &str = "configuration-refused";

/// Every name there is.
pub(crate) const PROBLEMS: [&str; 12] = [
    BAD_REQUEST,
    WRONG_HOST,
    CROSS_ORIGIN,
    NOT_JSON,
    NO_SUCH_PATH,
    NO_SUCH_METHOD,
    NO_SUCH_SERVER,
    NO_SUCH_SESSION,
    STORE_UNAVAILABLE,
    REPLACEMENT_REFUSED,
    REPLACEMENT_FAILED,
    CONFIGURATION_REFUSED,
];

/// Why a request was not answered as it wished.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// The last part of its `type`.
    name: &'static str,
    title: &'static str,
    detail: String,
    last_failure: Option<Box<FailureView>>,
}

/// The members of RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// What kind of problem this is, as a URN that stays the same.
    r#type: String,
    /// The kind in words.
    title: String,
    /// The status code of the response.
    status: u16,
    /// What happened this time, and what to do about it.
    detail: String,
    /// Why the server that was asked for does not run, if the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<FailureView>,
}

impl Problem {
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, BAD_REQUEST, "Bad request", detail)
    }

    pub(super) fn wrong_host(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, WRONG_HOST, "Not a host of the admin API", detail)
    }

    pub(super) fn cross_origin(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, CROSS_ORIGIN, "Not for other origins", detail)
    }

    pub(super) fn not_json() -> Self {
        let detail = "a body here must be `application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_JSON, "Not JSON", detail)
    }

    pub(super) fn no_such_path(path: &str) -> Self {
        let detail = format!("there is nothing at {path}; GET /openapi.json describes what there is");
        Self::new(StatusCode::NOT_FOUND, NO_SUCH_PATH, "No such path", detail)
    }

    pub(super) fn no_such_method(method: &http::Method, path: &str) -> Self {
        let detail = format!("{path} cannot be asked to {method}; GET /openapi.json says what it can");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, NO_SUCH_METHOD, "No such method", detail)
    }

    pub(super) fn no_such_server(key: &str) -> Self {
        let detail = format!("no server runs under the key `{key}`; GET /servers lists those that do");
        Self::new(StatusCode::NOT_FOUND, NO_SUCH_SERVER, "No such server", detail)
    }

    pub(super) fn no_such_session(id: &str) -> Self {
        let detail = format!("no session of the id `{id}` goes on; GET /sessions lists those that do");
        Self::new(StatusCode::NOT_FOUND, NO_SUCH_SESSION, "No such session", detail)
    }

    pub(super) fn store(error: &StorageError) -> Self {
        let title = "The store does not answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, STORE_UNAVAILABLE, title, error.to_string())
    }

    /// Adds why the server that was asked for does not run.
    pub(super) fn because(mut self, failure: Option<FailureView>) -> Self {
        self.last_failure = failure.map(Box::new);
        self
    }

    pub(super) fn replacement_refused(why: &str) -> Self {
        Self::new(StatusCode::CONFLICT, REPLACEMENT_REFUSED, "Not replaced", why)
    }

    pub(super) fn replacement_failed(reason: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, REPLACEMENT_FAILED, "Not replaced", reason)
    }

    pub(super) fn configuration_refused(reason: String) -> Self {
        let title = "The successor refuses its configuration";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, CONFIGURATION_REFUSED, title, reason)
    }

    /// What happened.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, name, title, detail: detail.into(), last_failure: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details = ProblemDetails {
            r#type: format!("urn:ostler:problem:{}", self.name),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            last_failure: self.last_failure.map(|failure| *failure),
        };
        let mut response = (self.status, Json(details)).into_response();
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, problem);
        response
    }
}
