//! One request and its response, followed to the last byte.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::RequestBody;
use crate::connection::{Connection, Phase};

/// A connection's service with its phases told.
#[derive(Debug)]
pub(crate) struct Followed<S> {
    pub(crate) service: S,
    pub(crate) connection: Arc<Connection>,
}

pin_project! {
    /// The service's answer on its way.
    pub(crate) struct Answer<F> {
        #[pin]
        response: F,
        connection: Arc<Connection>,
    }
}

pin_project! {
    /// A response body that tells its connection when it has ended, whichever way it ends.
    #[derive(Debug)]
    pub struct Exchange<B> {
        #[pin]
        body: B,
        end: End,
    }
}

#[derive(Debug)]
struct End(Arc<Connection>);

impl<S, B> Service<Request<Incoming>> for Followed<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
{
    type Response = Response<Exchange<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connection.set_phase(Phase::Handler);
        let request = request.map(RequestBody::new);
        Answer { response: self.service.call(request), connection: Arc::clone(&self.connection) }
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Exchange<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx))?;
        if this.connection.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if this.connection.phase() == Phase::Handler {
            this.connection.set_phase(Phase::Body);
        }
        this.connection.table().count_served();
        let end = End(Arc::clone(this.connection));
        Poll::Ready(Ok(response.map(|body| Exchange { body, end })))
    }
}

impl<B: Body> Body for Exchange<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // An upgraded connection stays what it is: its response was the 101.
        if self.0.phase() == Phase::Body {
            self.0.set_phase(Phase::Idle);
        }
    }
}
