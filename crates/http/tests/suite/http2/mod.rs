//! HTTP/2 through the public interface: raw frames, real clients.

mod drain;
mod exchanges;
mod floods;
mod opening;
mod streams;
mod tls;
mod tunnels;
mod unsent;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use ostler_http::{
    Connection, Event, EventKind, Protocol, RequestBody, ServerConfig, ServerHandle, serve_on,
};
use ostler_net::{Address, Listener};
use ostler_scope::{Deadline, Scope};
use ostler_testing::PATIENCE;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::{listener, workers};

/// A bound that passes soon.
const SHORT: Duration = Duration::from_millis(100);

/// The length of a body that is given whole as soon as its client takes any of it.
const SOME: usize = 16 * 1024;

/// A server whose every event is heard.
struct Stage {
    server: ServerHandle,
    events: mpsc::UnboundedReceiver<Event>,
    /// Notified by every request of `/hold`.
    entered: Arc<Notify>,
    /// Lets one of them go on.
    release: Arc<Notify>,
    scope: Scope,
}

impl Stage {
    async fn new() -> Self {
        Self::with(ServerConfig::default()).await
    }

    async fn with(config: ServerConfig) -> Self {
        Self::on(listener().await, config).await
    }

    async fn on(listener: Listener, config: ServerConfig) -> Self {
        let scope = Scope::root("test").open().unwrap();
        let (told, events) = mpsc::unbounded_channel();
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enter, released) = (Arc::clone(&entered), Arc::clone(&release));
        let observer = move |event: &Event| drop(told.send(event.clone()));
        let workers = workers(&scope);
        let server = serve_on(&scope, "stage", listener, config, &workers, observer, move |_worker| {
            let (enter, released) = (Arc::clone(&enter), Arc::clone(&released));
            move |_connection: &_| {
                let (enter, released) = (Arc::clone(&enter), Arc::clone(&released));
                service_fn(move |request| answer(request, Arc::clone(&enter), Arc::clone(&released)))
            }
        })
        .unwrap();
        Self { server, events, entered, release, scope }
    }

    fn address(&self) -> &Address {
        self.server.address()
    }

    /// The next event.
    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("nothing is told").unwrap()
    }

    /// The next event, which HTTP/2 has to do with.
    async fn told(&mut self) -> EventKind {
        let event = self.event().await;
        assert_eq!(event.protocol, Protocol::Http2, "{event:?}");
        event.kind
    }

    /// Ends the server, which has nothing more to tell.
    async fn close(mut self) {
        drop(self.server.drain(Deadline::after(PATIENCE)).await);
        assert!(self.scope.halt().await.error.is_none());
        drop(self.server);
        let mut rest = Vec::new();
        while let Some(event) = timeout(PATIENCE, self.events.recv()).await.expect("the observer is kept") {
            rest.push(event.kind);
        }
        assert_eq!(rest, []);
    }
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

async fn answer(
    mut request: Request<RequestBody>,
    enter: Arc<Notify>,
    released: Arc<Notify>,
) -> io::Result<Answer> {
    let path = request.uri().path().to_owned();
    let whole = |text: String| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    Ok(Response::new(match path.as_str() {
        "/hold" => {
            enter.notify_one();
            released.notified().await;
            whole("held".to_owned())
        }
        // Ends after it was released.
        "/stream" => {
            let begin = futures::stream::iter(["begin ".to_owned()]);
            let end = futures::stream::once(async move {
                enter.notify_one();
                released.notified().await;
                "end".to_owned()
            });
            let frames = begin.chain(end).map(|text| Ok(Frame::data(Bytes::from(text))));
            BoxBody::new(StreamBody::new(frames))
        }
        "/broken" => {
            let pieces = [Ok(Frame::data(Bytes::from_static(b"begin"))), Err(io::Error::other("of a body"))];
            BoxBody::new(StreamBody::new(futures::stream::iter(pieces)))
        }
        "/chunk" => {
            let pieces = [Ok(Frame::data(Bytes::from_static(b"of a length that is not told")))];
            BoxBody::new(StreamBody::new(futures::stream::iter(pieces)))
        }
        "/trailers" => {
            let trailers = HeaderMap::from_iter([("checksum".parse().unwrap(), "1".parse().unwrap())]);
            let frames = [Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))];
            BoxBody::new(StreamBody::new(futures::stream::iter(frames)))
        }
        "/tunnel" => {
            let upgraded = Connection::take_stream(&mut request).unwrap().upgrade();
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                enter.notify_one();
                // To its end, whichever way it ends.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                drop((stream, upgraded));
                enter.notify_one();
            });
            whole(String::new())
        }
        // Somebody looks at its exchange a while longer.
        "/looked-at" => {
            let exchange = Connection::take_stream(&mut request);
            tokio::spawn(async move {
                released.notified().await;
                drop(exchange);
            });
            whole(String::new())
        }
        "/fail" => return Err(io::Error::other("of a handler")),
        "/some" => whole("x".repeat(SOME)),
        "/large" => whole("x".repeat(1 << 20)),
        "/empty" => whole(String::new()),
        "/panic" => panic!("of a handler"),
        "/upload" => match request.into_body().collect().await {
            Ok(body) => {
                let trailers = body.trailers().map_or(0, |trailers| trailers.len());
                whole(format!("{} bytes and {trailers} trailers", body.to_bytes().len()))
            }
            Err(error) => whole(format!("{error}")),
        },
        _ => whole(path),
    }))
}
