//! One request and its response, followed to the last byte.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode, Version};
use pin_project_lite::pin_project;

use crate::config::Admission;
use crate::connection::{CHUNKED, Connection, ENDED, FRESH, UNTIL_CLOSE};
use crate::phase::{Order, Phase};
use crate::refusal::{self, Refusal};
use crate::upload::{Stage, Verdict};
use crate::{Protocol, RequestBody, ServerConfig};

/// A connection's service with its phases told and its bounds kept.
#[derive(Debug)]
pub(crate) struct Followed<S> {
    pub(crate) service: S,
    pub(crate) connection: Arc<Connection>,
}

/// What of a request the answer depends on.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// HTTP/1.0 knows no chunks.
    old: bool,
    /// A successful answer makes it a tunnel.
    connect: bool,
}

pin_project! {
    /// The service's answer on its way.
    pub(crate) struct Answer<F> {
        // None when the server itself answers.
        #[pin]
        response: Option<F>,
        refusal: Option<Refusal>,
        asked: Asked,
        connection: Arc<Connection>,
    }
}

pin_project! {
    /// A response body that tells its connection when it has ended, whichever way it ends.
    #[derive(Debug)]
    pub struct Exchange<B> {
        // None when the server itself has answered.
        #[pin]
        body: Option<B>,
        end: End,
    }
}

#[derive(Debug)]
struct End(Arc<Connection>);

impl<S, B> Service<Request<Incoming>> for Followed<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<Exchange<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connection.set_phase(Phase::Handler);
        self.connection.excuse();
        if self.connection.is_resting() {
            // It was to rest, and hyper has taken another request first: it closes behind the answer.
            self.connection.stir();
        }
        let connection = Arc::clone(&self.connection);
        let asked = Asked {
            old: request.version() == Version::HTTP_10,
            connect: request.method() == Method::CONNECT,
        };
        if let Err(refusal) = admit(&request, connection.table().config()) {
            return Answer { response: None, refusal: Some(refusal), asked, connection };
        }
        let request = request.map(|body| RequestBody::new(body, &connection));
        Answer { response: Some(self.service.call(request)), refusal: None, asked, connection }
    }
}

/// Refuses what the server refuses without asking the service.
fn admit(request: &Request<Incoming>, config: &ServerConfig) -> Result<(), Refusal> {
    if config.admission == Admission::Server {
        refusal::check(request)?;
    }
    // Over HTTP/1 the parser has counted them.
    if request.headers().len() > config.max_headers {
        return Err(Refusal::ManyHeaders);
    }
    if let Some(most) = config.max_header_size {
        refusal::check_sizes(request.headers(), most)?;
    }
    match config.max_body_size {
        Some(most) if request.body().size_hint().lower() > most => Err(Refusal::BodyTooLarge),
        Some(_) | None => Ok(()),
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Exchange<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.response.as_pin_mut().map(|response| response.poll(cx));
        let condemned = match this.connection.upload.verdict() {
            Verdict::None => *this.refusal,
            verdict @ (Verdict::TooLarge | Verdict::TrailersTooLarge) => verdict.refusal(),
            Verdict::TooSlow => return Poll::Ready(Ok(overdue(this.connection))),
        };
        match (condemned, polled) {
            (Some(refusal), _) => Poll::Ready(Ok(refuse(refusal, this.connection))),
            (None, Some(polled)) => {
                let response = ready!(polled)?;
                Poll::Ready(Ok(follow(response, *this.asked, this.connection)))
            }
            (None, None) => Poll::Pending,
        }
    }
}

/// The service's answer, with its connection's state.
fn follow<B: Body>(
    mut response: Response<B>,
    asked: Asked,
    connection: &Arc<Connection>,
) -> Response<Exchange<B>> {
    let status = response.status();
    let switches = status == StatusCode::SWITCHING_PROTOCOLS || (asked.connect && status.is_success());
    if connection.order() >= Order::LameDuck && !switches && connection.protocol() == Protocol::Http1 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let unknown =
        response.body().size_hint().exact().is_none() && !response.headers().contains_key(CONTENT_LENGTH);
    let framing = match (unknown, asked.old) {
        (false, _) => 0,
        (true, false) => CHUNKED,
        (true, true) => UNTIL_CLOSE | CHUNKED,
    };
    connection.set_response(FRESH | framing);
    if connection.phase() == Phase::Handler {
        connection.set_phase(if switches { Phase::Upgraded } else { Phase::Body });
    }
    connection.table().count_served();
    let end = End(Arc::clone(connection));
    response.map(|body| Exchange { body: Some(body), end })
}

/// The server's own answer to a request that it refuses.
fn refuse<B>(refusal: Refusal, connection: &Arc<Connection>) -> Response<Exchange<B>> {
    connection.end(refusal.event());
    last(refusal.status(), connection)
}

/// The server's own answer to a request whose body is overdue.
fn overdue<B>(connection: &Arc<Connection>) -> Response<Exchange<B>> {
    if let Some(event) = connection.overdue().event() {
        connection.end(event);
    }
    last(StatusCode::REQUEST_TIMEOUT, connection)
}

/// An answer without a body behind which the connection closes.
pub(crate) fn last<B>(status: StatusCode, connection: &Arc<Connection>) -> Response<Exchange<B>> {
    connection.set_response(FRESH);
    connection.set_phase(Phase::Body);
    connection.table().count_served();
    let mut response = Response::new(Exchange { body: None, end: End(Arc::clone(connection)) });
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

impl<B: Body> Body for Exchange<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = this.body.as_pin_mut().map_or(Poll::Ready(None), |body| body.poll_frame(cx));
        let connection = &this.end.0;
        if connection.order() >= Order::Close && connection.upload.verdict() != Verdict::None {
            // It is cut: what its service makes of that is not sent. The order has woken who obeys it.
            return Poll::Pending;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.set_response(connection.response() | ENDED);
        // An upgraded connection stays what it is: its response was the 101.
        if connection.phase() == Phase::Body {
            let open = connection.upload.stage() == Stage::Open;
            connection.set_phase(if open { Phase::Upload } else { Phase::Idle });
        }
    }
}
