//! A drain whose scope is out of time at the same moment: whichever is woken first, what was cut is reported.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{
    Connection, DrainTimedOut, EventKind, Phase, RequestBody, ServerConfig, ServerHandle, State, Workers,
    WorkersConfig, serve, serve_on,
};
use ostler_scope::{Deadline, Scope, ScopeError};
use ostler_testing::Client;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::listener;
use crate::stage::Record;

/// A server with one request that is never answered, and the client that waits for it.
struct Unanswered {
    scope: Scope,
    server: ServerHandle,
    record: Record,
    client: Client,
}

/// On the threads of the workers, if there are any.
async fn unanswered(workers: Option<usize>) -> Unanswered {
    let scope = Scope::root("test").open().unwrap();
    let (entered, record) = (Arc::new(Notify::new()), Record::default());
    let enter = Arc::clone(&entered);
    let make = move |_connection: &Arc<Connection>| {
        let enter = Arc::clone(&enter);
        service_fn(move |_request: Request<RequestBody>| {
            enter.notify_one();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        })
    };
    let (listener, config, observer) = (listener().await, ServerConfig::default(), record.clone());
    let server = match workers.and_then(NonZeroUsize::new) {
        None => serve(&scope, "server", listener, config, observer, make).unwrap(),
        threads => {
            let workers = Workers::start(&scope, WorkersConfig { threads }).unwrap();
            serve_on(&scope, "server", listener, config, &workers, observer, move |_worker| make.clone())
                .unwrap()
        }
    };
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entered.notified().await;
    Unanswered { scope, server, record, client }
}

impl Unanswered {
    /// Asserts that `error` tells of the one request, as its event and its socket do.
    async fn was_cut(mut self, error: Option<ScopeError>) {
        let error = error.expect("a cut response is reported");
        assert!(error.downcast_ref::<DrainTimedOut>().is_some(), "{error}");
        assert!(error.to_string().contains("1 waiting for a response: 1 aborted, 0 stuck"), "{error}");
        assert_eq!(self.record.ends(), [EventKind::ConnectionAborted { phase: Phase::Handler }]);
        assert_eq!(self.server.connections(), 0);
        let reset = self.client.read_to_close().await.unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    }

    /// The scope halts with time to spare, and is told to end at once when the drain is under way.
    async fn hurried(self) {
        drop(self.scope.halt());
        while self.server.state() < State::Draining {
            tokio::task::yield_now().await;
        }
        let report = self.scope.halt_by(&Deadline::at(Instant::now())).await;
        self.was_cut(report.error).await;
    }
}

#[tokio::test]
async fn a_halt_brought_forward_to_now_reports_what_it_cut() {
    unanswered(None).await.hurried().await;
}

#[tokio::test]
async fn a_halt_brought_forward_to_now_reports_what_it_cut_on_other_threads() {
    unanswered(Some(1)).await.hurried().await;
}

#[tokio::test]
async fn a_drain_that_wakes_when_its_scope_is_out_of_time_too_reports_what_it_cut() {
    let unanswered = unanswered(None).await;
    tokio::time::pause();
    let halted = tokio::spawn({
        let scope = unanswered.scope.clone();
        async move { scope.halt_by(&Deadline::after(Duration::from_millis(20))).await }
    });
    while unanswered.server.state() < State::Draining {
        tokio::task::yield_now().await;
    }
    // A machine that gives us no time until both deadlines have passed.
    tokio::time::advance(Duration::from_millis(500)).await;
    let report = halted.await.unwrap();
    unanswered.was_cut(report.error).await;
}

#[tokio::test]
async fn a_halt_without_any_time_reports_what_it_cut() {
    let unanswered = unanswered(None).await;
    let report = unanswered.scope.halt_by(&Deadline::at(Instant::now())).await;
    unanswered.was_cut(report.error).await;
}
