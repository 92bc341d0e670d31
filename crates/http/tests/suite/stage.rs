//! A server whose every kind of answer a test can ask for, and a record of its events.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ostler_http::{
    Connection, Ending, Event, EventKind, Observer, RequestBody, ServerConfig, ServerHandle, Upgraded, serve,
};
use ostler_scope::Scope;
use ostler_testing::{Client, PATIENCE};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc};

use crate::listener;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Larger than what sockets hold.
pub(crate) const BIG: usize = 32 * 1024 * 1024;

/// Every event, in order.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<(Mutex<Vec<Event>>, Notify)>);

impl Observer for Record {
    fn on(&self, event: &Event) {
        self.0.0.lock().unwrap().push(event.clone());
        self.0.1.notify_one();
    }
}

impl Record {
    pub(crate) fn all(&self) -> Vec<EventKind> {
        self.0.0.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }

    /// What ended connections.
    pub(crate) fn ends(&self) -> Vec<EventKind> {
        self.all().into_iter().filter(EventKind::is_end).collect()
    }

    /// Waits for an event.
    pub(crate) async fn until(&self, wanted: impl Fn(&EventKind) -> bool) {
        let waiting = async {
            while !self.all().iter().any(&wanted) {
                self.0.1.notified().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("it did not happen, but {:?}", self.all()));
    }
}

/// What the handlers wait for.
#[derive(Clone, Default)]
pub(crate) struct Cues {
    /// Told by a handler that has begun.
    pub(crate) entered: Arc<Notify>,
    /// Lets a handler go on.
    pub(crate) release: Arc<Notify>,
    /// What the next streamed response consists of.
    pub(crate) pieces: Arc<Mutex<Option<mpsc::UnboundedReceiver<Piece>>>>,
    /// Connections that nobody lets go of.
    pub(crate) kept: Arc<Mutex<Vec<Upgraded>>>,
}

pub(crate) enum Piece {
    Bytes(&'static str),
    Panic,
    Error,
}

pub(crate) struct Stage {
    pub(crate) scope: Scope,
    pub(crate) server: ServerHandle,
    pub(crate) record: Record,
    pub(crate) cues: Cues,
    pieces: mpsc::UnboundedSender<Piece>,
}

impl Stage {
    pub(crate) async fn new(config: ServerConfig) -> Self {
        Self::on(listener().await, config)
    }

    pub(crate) fn on(listener: ostler_net::Listener, config: ServerConfig) -> Self {
        let scope = Scope::root("test").open().unwrap();
        let (record, cues) = (Record::default(), Cues::default());
        let (pieces, received) = mpsc::unbounded_channel();
        *cues.pieces.lock().unwrap() = Some(received);
        let given = cues.clone();
        let server = serve(&scope, "stage", listener, config, record.clone(), move |connection| {
            let (cues, connection) = (given.clone(), Arc::clone(connection));
            service_fn(move |request| answer(request, cues.clone(), Arc::clone(&connection)))
        })
        .unwrap();
        Self { scope, server, record, cues, pieces }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.server.address()).await
    }

    pub(crate) fn stream(&self, piece: Piece) {
        assert!(self.pieces.send(piece).is_ok(), "the response is over");
    }

    /// Ends the response that is streamed.
    pub(crate) fn end_stream(&mut self) {
        self.pieces = mpsc::unbounded_channel().0;
    }

    /// Ends, and asserts that no connection ended but in these ways.
    pub(crate) async fn ends(self, expected: &[EventKind]) {
        let emptying = async {
            while self.server.connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let emptied = tokio::time::timeout(PATIENCE, emptying).await;
        assert!(emptied.is_ok(), "{} still open, after {:?}", self.server.phases(), self.record.all());
        let report = self.scope.halt().await;
        assert!(report.error.is_none(), "{report:?}");
        assert_eq!(self.record.ends(), expected, "{:?}", self.record.all());
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

async fn answer(
    mut request: Request<RequestBody>,
    cues: Cues,
    connection: Arc<Connection>,
) -> Result<Response<Body>, io::Error> {
    let mut response = Response::new(full("ok"));
    match request.uri().path() {
        "/slow" => {
            cues.entered.notify_one();
            cues.release.notified().await;
        }
        "/token" => {
            cues.entered.notify_one();
            connection.draining().cancelled().await;
        }
        "/big" => *response.body_mut() = full(vec![0; BIG]),
        "/read" => {
            cues.entered.notify_one();
            let read = request.body_mut().collect().await.map_err(|error| error.to_string());
            *response.body_mut() =
                full(read.map_or_else(|error| error, |body| body.to_bytes().len().to_string()));
        }
        "/echo" => *response.body_mut() = request.into_body().map_err(io::Error::other).boxed_unsync(),
        "/echo-what-comes" => {
            let frames = request.into_body().into_data_stream();
            let frames = frames.take_while(|frame| std::future::ready(frame.is_ok()));
            let frames = frames.map(|bytes| bytes.map(Frame::data).map_err(io::Error::other));
            *response.body_mut() = StreamBody::new(frames).boxed_unsync();
        }
        "/read-behind" => {
            tokio::spawn(async move {
                let _ = request.body_mut().frame().await;
                cues.entered.notify_one();
                let _ = request.body_mut().frame().await;
            });
        }
        "/read-late" => {
            cues.entered.notify_one();
            cues.release.notified().await;
            let _ = request.body_mut().collect().await;
        }
        "/early" => *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE,
        "/keep" => {
            cues.kept.lock().unwrap().push(connection.upgrade());
            cues.entered.notify_one();
            std::future::pending::<()>().await;
        }
        "/panic" => panic!("as the test wants"),
        "/fail" => return Err(io::Error::other("as the test wants")),
        path @ ("/chunks" | "/pieces") => {
            if path == "/pieces" {
                response.headers_mut().insert("content-length", 10.into());
            }
            let pieces = cues.pieces.lock().unwrap().take().expect("one streamed response for each stage");
            *response.body_mut() = streamed(pieces);
        }
        "/events" => {
            let hello = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"data: hello\n\n")))]);
            let silence = async move {
                connection.draining().cancelled().await;
                None
            };
            let events = hello.chain(futures::stream::once(silence).filter_map(std::future::ready));
            *response.body_mut() = StreamBody::new(events).boxed_unsync();
        }
        // A CONNECT has no path.
        path @ ("" | "/tunnel") => {
            let connect = path.is_empty();
            let upgraded = connection.upgrade();
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let stream = upgrade.await.unwrap();
                cues.entered.notify_one();
                upgraded.asked_to(Ending::Abort).await;
                drop((stream, upgraded));
            });
            *response.body_mut() = full("");
            if !connect {
                switch(&mut response);
            }
        }
        "/flood" => {
            let upgraded = connection.upgrade();
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                tokio::select! {
                    _ = async { while stream.write_all(&[0; 4096]).await.is_ok() {} } => {}
                    () = upgraded.asked_to(Ending::Abort) => {}
                }
                drop((stream, upgraded));
            });
            switch(&mut response);
        }
        "/upgrade" | "/forget-upgrade" => {
            let upgraded = connection.upgrade();
            let upgrade = hyper::upgrade::on(&mut request);
            if request.uri().path() == "/upgrade" {
                tokio::spawn(async move {
                    let stream = upgrade.await.unwrap();
                    cues.entered.notify_one();
                    upgraded.asked_to(Ending::Finish).await;
                    drop((stream, upgraded));
                });
            }
            switch(&mut response);
        }
        _ => {}
    }
    Ok(response)
}

/// Makes the connection speak `x`.
fn switch(response: &mut Response<Body>) {
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "x".parse().unwrap());
    *response.body_mut() = full("");
}

fn streamed(pieces: mpsc::UnboundedReceiver<Piece>) -> Body {
    let pieces = futures::stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    let frames = pieces.map(|piece| match piece {
        Piece::Bytes(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
        Piece::Panic => panic!("as the test wants"),
        Piece::Error => Err(io::Error::other("as the test wants")),
    });
    StreamBody::new(frames).boxed_unsync()
}
