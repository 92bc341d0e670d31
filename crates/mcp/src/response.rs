//! HTTP responses around messages.

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::{Method, Response, StatusCode};

use crate::body::ResponseBody;
use crate::error::{Hint, RpcError};
use crate::reply::{self, Answer};

/// One message.
pub(crate) fn respond(answer: Answer) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(answer.message));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match answer.hint {
        Some(Hint::Authenticate(challenge)) => {
            // Made of what the configuration and this program say, which is text.
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
        }
        Some(Hint::RetryAfter(seconds)) => {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        None => {}
    }
    response
}

/// A stream of events.
pub(crate) fn stream(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that know this do not wait for more.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// An error that is none of a request's, of which nothing is known.
pub(crate) fn plain(status: StatusCode, reason: &'static str) -> Response<ResponseBody> {
    let error = RpcError { status, ..RpcError::invalid_request(reason) };
    respond(reply::error(None, &error))
}

/// The method is not one of those that are `allowed`.
pub(crate) fn not_allowed(allowed: &'static str, reason: &'static str) -> Response<ResponseBody> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, reason);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Nothing but its status.
pub(crate) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A document about the endpoint, which pages of all origins may read.
pub(crate) fn document(method: &Method, text: &str) -> Response<ResponseBody> {
    if *method != Method::GET && *method != Method::HEAD {
        return not_allowed("GET, HEAD", "this is a document");
    }
    let mut response = respond(Answer::of(text.to_owned()));
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
