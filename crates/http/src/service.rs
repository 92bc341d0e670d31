//! What answers the requests of a connection.

use bytes::Bytes;
use http_body::Body;
use hyper::service::Service;
use hyper::{Request, Response};
use ostler_scope::BoxError;

use crate::RequestBody;

/// A hyper service for one connection, on one thread. Every service whose body is [`Bytes`] is one.
pub trait ConnectionService:
    Service<Request<RequestBody>, Response = Response<Self::Body>, Error: Into<BoxError>, Future: 'static>
    + 'static
{
    /// The response body.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + 'static;
}

impl<S, B> ConnectionService for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: 'static>
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    type Body = B;
}
