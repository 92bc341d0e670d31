//! A request body on its way to the service.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A request's body, with its server's bounds on it.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
}

/// Why a request body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It broke off, or it was malformed.
    #[error("the request body is malformed or incomplete")]
    Broken(#[source] hyper::Error),
    /// It has more bytes than allowed. The client is answered 413, whatever the service says.
    #[error("the request body is larger than allowed")]
    TooLarge,
    /// It took too long. The client is answered 408, whatever the service says.
    #[error("the request body did not come in time")]
    TooSlow,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx).map_err(BodyError::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
