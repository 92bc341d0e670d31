//! The endpoint: from an HTTP request to a message, and from an answer to a response.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http_body_util::BodyExt;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::service::{Service, service_fn};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use ostler_http::{BodyError, Connection, RequestBody};
use ostler_tools::Sessions;
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, Metadata};
use crate::body::ResponseBody;
use crate::error::RpcError;
use crate::keys::KeyRing;
use crate::limits::Meter;
use crate::methods::{self, Exchange};
use crate::reply::{self, Answer, Results};
use crate::response::{document, empty, plain, respond, stream};
use crate::stateful::{self, Clients};
use crate::stream::{CallStream, Piece, Told};
use crate::wire::{Incoming, Message};
use crate::{EndpointConfig, origin, wire};

/// Answers requests of the protocol.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) sessions: Sessions,
    pub(crate) keys: KeyRing,
    pub(crate) config: EndpointConfig,
    pub(crate) results: Results,
    meter: Meter,
    /// What there is of clients with sessions.
    pub(crate) clients: Clients,
}

/// What becomes of a request.
pub(crate) enum Outcome {
    /// An answer that may take a while, and what is told meanwhile.
    Answer(BoxFuture<'static, Answer>, Option<Told>),
    /// A stream that has no end of its own.
    Stream(BoxStream<'static, Piece>),
}

impl Endpoint {
    /// An endpoint for the tools of `sessions`, which seals with `keys`.
    #[must_use]
    pub fn new(sessions: Sessions, keys: KeyRing, config: EndpointConfig) -> Self {
        let results = Results::new(&config);
        let meter = Meter::new(config.limits);
        Self { sessions, keys, config, results, meter, clients: Clients::default() }
    }

    /// The sessions behind it.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The service of one connection.
    pub fn service(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
    ) -> impl Service<
        Request<RequestBody>,
        Response = Response<ResponseBody>,
        Error = Infallible,
        Future: Send + 'static,
    >
    + Send
    + 'static
    + use<> {
        let (endpoint, draining) = (Arc::clone(self), connection.draining().clone());
        service_fn(move |request| {
            let (endpoint, draining) = (Arc::clone(&endpoint), draining.clone());
            async move { Ok(endpoint.handle(request, draining).await) }
        })
    }

    /// Answers one request. Streams that have no end of their own end when `draining` fires.
    ///
    /// Dropped, with the response or before there is one, the call is cut off: see
    /// [`Sessions::call`](ostler_tools::Sessions::call) and [`Sessions::answer`](ostler_tools::Sessions::answer).
    pub async fn handle(
        self: &Arc<Self>,
        request: Request<RequestBody>,
        draining: CancellationToken,
    ) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        if let Some(auth) = &self.config.auth
            && Metadata::is_at(head.uri.path(), &self.config.path)
        {
            return document(&head.method, &auth.metadata.document);
        }
        if head.uri.path() != self.config.path {
            return plain(StatusCode::NOT_FOUND, "there is nothing here");
        }
        if !origin::is_allowed(&self.config, &head.uri, &head.headers) {
            return plain(StatusCode::FORBIDDEN, "this host or origin is not allowed here");
        }
        let caller = match &self.config.auth {
            None => Caller::anonymous(),
            Some(auth) => match auth.caller(&head.headers).await {
                Ok(caller) => caller,
                Err(error) => return respond(reply::error(None, &error)),
            },
        };
        let admitted = match self.meter.admit(&caller.principal) {
            Ok(admitted) => admitted,
            Err(error) => return respond(reply::error(None, &error)),
        };
        let exchange = Exchange { endpoint: Arc::clone(self), headers: Some(head.headers), draining, caller };
        let response = if head.method == Method::POST {
            self.post(exchange, body).await
        } else {
            stateful::without_message(&exchange, &head.method).await
        };
        response.map(|body| body.counted(admitted))
    }

    async fn post(&self, exchange: Exchange, body: RequestBody) -> Response<ResponseBody> {
        let headers = exchange.headers();
        if !is_json(headers) {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json");
        }
        let Some(accepts) = Accepts::read(headers) else {
            return plain(
                StatusCode::NOT_ACCEPTABLE,
                "the client has to accept application/json or text/event-stream",
            );
        };
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            // The server answers what is too large or too slow itself.
            Err(BodyError::TooLarge | BodyError::TooSlow | BodyError::Broken(_)) => {
                return plain(StatusCode::BAD_REQUEST, "the body did not come whole");
            }
        };
        let message = match wire::read(&body) {
            Ok(message) => message,
            Err((id, error)) => return respond(reply::error(id, &error)),
        };
        if stateful::is_meant(exchange.headers(), &message) {
            return stateful::post(exchange, message, accepts).await;
        }
        let outcome = match message {
            // A notification: none of those that there are says anything here.
            Message::Incoming(Incoming { id: None, .. }) => return empty(StatusCode::ACCEPTED),
            Message::Incoming(incoming @ Incoming { id: Some(id), .. }) => {
                methods::dispatch(exchange, &incoming, id, accepts.events)
            }
            Message::Response(response) => {
                let error = RpcError::invalid_request("responses are not taken here");
                return respond(reply::error(Some(response.id), &error));
            }
        };
        match outcome {
            Outcome::Stream(pieces) => stream(ResponseBody::pieces(pieces)),
            Outcome::Answer(call, told) => self.answer(call, told, accepts).await,
        }
    }

    async fn answer(
        &self,
        mut call: BoxFuture<'static, Answer>,
        mut told: Option<Told>,
        accepts: Accepts,
    ) -> Response<ResponseBody> {
        // Most calls are answered at once, and need no timer.
        if let Some(answer) = call.as_mut().now_or_never() {
            return self.first(answer, told, accepts);
        }
        if !accepts.events {
            return respond(call.await);
        }
        let mut silence = Box::pin(tokio::time::sleep(self.config.heartbeat));
        let first = poll_fn(|cx| {
            if let Some(told) = &mut told
                && let Poll::Ready(Some(event)) = told.poll(cx)
            {
                return Poll::Ready(First::Event(Piece::Message(event)));
            }
            if let Poll::Ready(answer) = call.poll_unpin(cx) {
                return Poll::Ready(First::Answer(answer));
            }
            silence.poll_unpin(cx).map(|()| First::Event(Piece::Heartbeat))
        });
        match first.await {
            First::Answer(answer) => self.first(answer, told, accepts),
            First::Event(event) => {
                let heartbeat = self.config.heartbeat;
                stream(ResponseBody::pieces(CallStream::new(call, told, Some(event), heartbeat)))
            }
        }
    }

    /// The response whose answer is there before anything else. What was told before it is sent before it.
    fn first(&self, answer: Answer, told: Option<Told>, accepts: Accepts) -> Response<ResponseBody> {
        match told {
            Some(told) if accepts.events && !told.events.is_empty() => {
                let call = std::future::ready(answer).boxed();
                stream(ResponseBody::pieces(CallStream::new(call, Some(told), None, self.config.heartbeat)))
            }
            _ if accepts.json => respond(answer),
            _ => {
                let call = std::future::ready(answer).boxed();
                stream(ResponseBody::pieces(CallStream::new(call, None, None, self.config.heartbeat)))
            }
        }
    }
}

/// What comes first.
enum First {
    Answer(Answer),
    Event(Piece),
}

/// What a client can read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepts {
    pub(crate) json: bool,
    pub(crate) events: bool,
}

impl Accepts {
    /// None if it can read nothing of what is sent here.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut accepts = Self { json: false, events: false };
        let mut any = false;
        for value in headers.get_all(ACCEPT) {
            any = true;
            for range in value.to_str().ok()?.split(',') {
                let range = range.split(';').next().unwrap_or_default().trim();
                let is = |name: &str| range.eq_ignore_ascii_case(name);
                let any_type = is("*/*");
                accepts.json |= any_type || is("application/json") || is("application/*");
                accepts.events |= any_type || is("text/event-stream") || is("text/*");
            }
        }
        if !any {
            return Some(Self { json: true, events: true });
        }
        (accepts.json || accepts.events).then_some(accepts)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    })
}
