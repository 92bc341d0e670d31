//! Errors as the protocol has them.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

/// An error that a request is answered with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<Box<Value>>,
    pub(crate) status: StatusCode,
    /// What is said besides to whoever asks, in a field of the header.
    pub(crate) hint: Option<Hint>,
}

/// What is said in a field of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// `WWW-Authenticate`
    Authenticate(Box<str>),
    /// `Retry-After`, in seconds.
    RetryAfter(u64),
}

impl RpcError {
    /// Not JSON.
    pub(crate) fn parse(message: impl Into<String>) -> Self {
        Self::at(StatusCode::BAD_REQUEST, -32700, message)
    }

    /// JSON, but no request.
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::at(StatusCode::BAD_REQUEST, -32600, message)
    }

    /// A method that there is none of.
    pub(crate) fn method_not_found(method: &str) -> Self {
        Self::at(StatusCode::NOT_FOUND, -32601, format!("there is no method `{method}`"))
    }

    /// A request whose form is right, about something that is not there or is not so.
    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::at(StatusCode::OK, -32602, message)
    }

    /// A request that lacks what every request has to have.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::at(StatusCode::BAD_REQUEST, -32602, message)
    }

    /// Something on this side.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::at(StatusCode::OK, -32603, message)
    }

    /// The header fields say something else than the body.
    pub(crate) fn header_mismatch(message: impl Into<String>) -> Self {
        Self::at(StatusCode::BAD_REQUEST, -32020, message)
    }

    /// The client would have to declare `capabilities`.
    pub(crate) fn missing_capability(message: impl Into<String>, capabilities: Value) -> Self {
        let error = Self::at(StatusCode::BAD_REQUEST, -32021, message);
        error.with(json!({ "requiredCapabilities": capabilities }))
    }

    /// A revision that is not spoken here.
    pub(crate) fn unsupported_version(requested: &str) -> Self {
        let message = format!("revision {requested} is not spoken here, {} is", crate::PROTOCOL_VERSION);
        Self::other_version(message, requested)
    }

    /// A revision with sessions, where nothing is kept.
    pub(crate) fn stateless(requested: &str) -> Self {
        let message = format!(
            "revision {requested} has sessions, which need a store, and there is none: speak {}",
            crate::PROTOCOL_VERSION
        );
        Self::other_version(message, requested)
    }

    fn other_version(message: String, requested: &str) -> Self {
        Self::at(StatusCode::BAD_REQUEST, -32022, message)
            .with(json!({ "supported": [crate::PROTOCOL_VERSION], "requested": requested }))
    }

    pub(crate) fn with(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// With what whoever asks would have to show.
    pub(crate) fn challenging(mut self, challenge: String) -> Self {
        self.hint = Some(Hint::Authenticate(challenge.into()));
        self
    }

    /// With when to try again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.hint = Some(Hint::RetryAfter(wait.as_secs() + 1));
        self
    }

    fn at(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, status, hint: None }
    }

    /// As the member `error` of a response, or of a task that has failed.
    pub(crate) fn to_value(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = (**data).clone();
        }
        error
    }
}
