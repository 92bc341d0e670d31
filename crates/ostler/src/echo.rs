//! `builtin = "echo"`: a server to try things with.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ostler_http::RequestBody;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use crate::in_process::Assignment;

/// The longest WebSocket message that is echoed, in bytes.
const LONGEST_MESSAGE: usize = 1024 * 1024;

/// The time between two events of `/sse`.
const TICK: Duration = Duration::from_secs(1);

/// Says as JSON who answered what. `/health` tells how it is, `/ws` is a WebSocket that echoes, `/sse` ticks once a second.
#[derive(Clone, Debug)]
pub struct Echo {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Its scope is where WebSocket tasks live: they end with the server.
    assignment: Assignment,
    started: Instant,
}

/// What [`Echo`] answers with.
#[derive(Debug)]
pub enum EchoBody {
    /// Everything at once; None once it has been taken.
    Whole(Option<Bytes>),
    /// A tick a second, without end.
    Ticks {
        /// The clock.
        interval: Interval,
        /// Ticks so far.
        count: u64,
    },
}

impl Echo {
    /// The echo server of that key.
    pub fn new(assignment: Assignment) -> Self {
        Self { shared: Arc::new(Shared { assignment, started: Instant::now() }) }
    }

    fn hostname(&self) -> &str {
        self.shared.assignment.key.as_str()
    }

    fn answer(&self, request: Request<RequestBody>) -> Response<EchoBody> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/health") => self.health(),
            (&Method::GET, "/sse") => ticks(),
            (&Method::GET, "/ws") => self.websocket(request),
            _ => self.describe(&request),
        }
    }

    fn health(&self) -> Response<EchoBody> {
        json_response(&json!({
            "status": "healthy",
            "hostname": self.hostname(),
            "port": self.shared.assignment.address.port(),
            "uptime": self.shared.started.elapsed().as_secs_f64(),
        }))
    }

    fn describe(&self, request: &Request<RequestBody>) -> Response<EchoBody> {
        let headers: serde_json::Map<String, Value> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        json_response(&json!({
            "hostname": self.hostname(),
            "method": request.method().as_str(),
            "path": request.uri().path(),
            "query": request.uri().query(),
            "headers": headers,
            "message": format!("{} answered", self.hostname()),
        }))
    }

    /// RFC 6455, section 4.2.
    fn websocket(&self, mut request: Request<RequestBody>) -> Response<EchoBody> {
        let headers = request.headers();
        let asked =
            headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let Some(key) = headers.get("sec-websocket-key").filter(|_| asked) else {
            let mut response = text(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n");
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            return response;
        };
        let accept = derive_accept_key(key.as_bytes());
        let upgrade = hyper::upgrade::on(&mut request);
        let Some(Ok(_echoing)) =
            self.shared.assignment.scope.upgrade().map(|scope| scope.supervise("websocket", echo(upgrade)))
        else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
        };
        let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Ok(accept) = HeaderValue::try_from(accept) {
            headers.insert("sec-websocket-accept", accept);
        }
        response
    }
}

/// Sends every message back until the client closes.
async fn echo(upgrade: OnUpgrade) -> Result<(), ostler_scope::BoxError> {
    let stream = TokioIo::new(upgrade.await?);
    let limits = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await?,
            // Answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
    Ok(())
}

fn ticks() -> Response<EchoBody> {
    let mut response = Response::new(EchoBody::Ticks { interval: interval(TICK), count: 0 });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json_response(value: &Value) -> Response<EchoBody> {
    let mut response = text(StatusCode::OK, &format!("{value}\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, body: &str) -> Response<EchoBody> {
    let mut response = Response::new(EchoBody::Whole(Some(Bytes::copy_from_slice(body.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

impl tower::Service<Request<RequestBody>> for Echo {
    type Response = Response<EchoBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        ready(Ok(self.answer(request)))
    }
}

impl Body for EchoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Ticks { interval, count } => {
                ready_or_return!(interval.poll_tick(cx));
                *count += 1;
                let event = format!("id: {count}\nevent: tick\ndata: {{\"tick\":{count}}}\n\n");
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(event)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Self::Ticks { .. } => false,
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(body) => {
                http_body::SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Ticks { .. } => http_body::SizeHint::default(),
        }
    }
}
