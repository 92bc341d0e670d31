//! What a drain comes to, and who is told of it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{
    Connection, Cut, Drain, EventCounts, EventKind, Phase, Remaining, RequestBody, ServerConfig, State,
    Workers, WorkersConfig, serve, serve_on,
};
use ostler_scope::{Deadline, Scope};
use ostler_testing::{Client, PATIENCE};

use crate::listener;
use crate::stage::{Record, Stage, get};

const SHORT: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

fn one(phase: Phase) -> Remaining {
    Remaining([(phase, 1)].into())
}

/// A server with a handler that does not end.
async fn busy(config: ServerConfig) -> (Stage, Client) {
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send(get("/slow")).await;
    stage.cues.entered.notified().await;
    (stage, client)
}

#[tokio::test]
async fn somebody_who_does_not_want_to_wait_forces_it() {
    let (stage, mut client) = busy(ServerConfig::default()).await;
    let (first, waiting) = (stage.server.clone(), stage.server.clone());
    let first = tokio::spawn(async move { first.drain(Deadline::after(HOUR)).await });
    let waiting = tokio::spawn(async move { waiting.wait().await });
    while stage.server.state() < State::Draining {
        tokio::task::yield_now().await;
    }
    let expected = Drain::Forced(Cut { remaining: one(Phase::Handler), aborted: 1, stuck: 0 });
    assert_eq!(stage.server.drain(Deadline::after(Duration::ZERO)).await, expected);
    assert_eq!(first.await.unwrap(), expected);
    assert_eq!(waiting.await.unwrap(), expected);
    client.read_to_close().await.unwrap_err();
    assert!(stage.scope.halt().await.error.is_some());
}

#[tokio::test]
async fn nothing_left_is_drained_however_late_it_is() {
    for _ in 0..20 {
        let stage = Stage::new(ServerConfig::default()).await;
        let drain = stage.server.drain(Deadline::after(Duration::ZERO)).await;
        assert!(matches!(drain, Drain::Drained { served: 0, .. }), "{drain}");
        assert!(stage.scope.halt().await.error.is_none());
        assert_eq!(stage.record.all(), []);
    }
}

#[tokio::test]
async fn a_drain_taken_up_after_the_deadline_tells_of_what_was_cut_before() {
    let (stage, mut client) = busy(ServerConfig::default()).await;
    let mut abandoned = Box::pin(stage.server.drain(Deadline::after(SHORT)));
    poll_fn(|cx| {
        assert!(abandoned.as_mut().poll(cx).is_pending(), "it has to be taken up");
        if stage.server.state() == State::Reaping { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(abandoned);
    client.read_to_close().await.unwrap_err();
    stage.server.gone().await;
    let drain = stage.server.drain(Deadline::after(HOUR)).await;
    assert_eq!(drain, Drain::TimedOut(Cut { remaining: one(Phase::Handler), aborted: 1, stuck: 0 }));
    assert!(stage.scope.halt().await.error.is_some());
    let aborted = EventKind::ConnectionAborted { phase: Phase::Handler };
    assert_eq!(stage.record.all(), [aborted, EventKind::ShutdownTimedOut { remaining: one(Phase::Handler) }]);
}

#[tokio::test]
async fn who_waits_learns_of_the_end_of_a_halted_scope() {
    let stage = Stage::new(ServerConfig::default()).await;
    let server = stage.server.clone();
    let waiting = tokio::spawn(async move { server.wait().await });
    assert!(stage.scope.halt().await.error.is_none());
    let drain = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(drain, Drain::Drained { served: 0, .. }), "{drain}");

    let config = ServerConfig { drain_timeout: SHORT, ..ServerConfig::default() };
    let (stage, _client) = busy(config).await;
    assert!(stage.scope.halt().await.error.is_some());
    let drain = tokio::time::timeout(PATIENCE, stage.server.wait()).await.unwrap();
    assert!(matches!(drain, Drain::TimedOut(Cut { aborted: 1, stuck: 0, .. })), "{drain}");
}

#[tokio::test]
async fn who_waits_learns_that_what_serves_has_failed() {
    let scope = Scope::root("test").open().unwrap();
    let record = Record::default();
    let config = ServerConfig::default();
    let server = serve(&scope, "failing", listener().await, config, record.clone(), |_connection| {
        assert_eq!(1, 2, "as the test wants");
        service_fn(async |_request: Request<RequestBody>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        })
    })
    .unwrap();
    let mut client = Client::connect(server.address()).await;
    let drain = tokio::time::timeout(PATIENCE, server.wait()).await.expect("nobody has told");
    assert_eq!(drain, Drain::SupervisorFailed);
    assert_eq!(server.drain(Deadline::after(PATIENCE)).await, Drain::SupervisorFailed);
    assert_eq!(client.read_to_close().await.unwrap(), "");
    assert!(scope.halt().await.error.is_some());
    let message = "the server has failed".to_owned();
    assert_eq!(record.all(), [EventKind::HandlerFailed { message }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_is_stuck() {
    let scope = Scope::root("test").open().unwrap();
    let workers = Workers::start(&scope, WorkersConfig { threads: NonZeroUsize::new(1) }).unwrap();
    let (enter, mut entered) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let record = Record::default();
    let config = ServerConfig::default();
    let server = serve_on(&scope, "stuck", listener().await, config, &workers, record.clone(), move |_| {
        let (enter, released) = (enter.clone(), Arc::clone(&released));
        move |_connection: &Arc<Connection>| {
            let (enter, released) = (enter.clone(), Arc::clone(&released));
            service_fn(move |_request: Request<RequestBody>| {
                enter.send(()).unwrap();
                released.lock().unwrap().recv().unwrap();
                async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) }
            })
        }
    })
    .unwrap();
    let mut client = Client::connect(server.address()).await;
    client.send(get("/")).await;
    entered.recv().await.unwrap();
    // This one never gets to see the thread.
    let mut queued = Client::connect(server.address()).await;
    while server.connections() < 2 {
        tokio::task::yield_now().await;
    }
    let drain = server.drain(Deadline::after(SHORT)).await;
    let remaining = Remaining([(Phase::Idle, 1), (Phase::Handler, 1)].into());
    assert_eq!(drain, Drain::TimedOut(Cut { remaining: remaining.clone(), aborted: 0, stuck: 2 }));
    assert_eq!(record.all(), [EventKind::ShutdownTimedOut { remaining }]);
    release.send(()).unwrap();
    // What it had to say is said after all.
    assert!(client.read_to_close().await.unwrap().starts_with("HTTP/1.1 200 "));
    queued.read_to_close().await.unwrap_err();
    server.gone().await;
    assert!(scope.halt().await.error.is_some());
    let aborted = EventKind::ConnectionAborted { phase: Phase::Idle };
    assert_eq!(record.ends(), [EventKind::ConnectionClosed, aborted]);
    assert_eq!(record.all().len(), 3);
}

#[tokio::test]
async fn every_event_of_a_server_is_counted() {
    let counts = EventCounts::default();
    let names: Vec<_> = counts.all().map(|(name, ..)| name).collect();
    let failed = EventKind::HandshakeFailed { reason: String::new() };
    for kind in [failed, EventKind::ConnectionClosed, EventKind::HeaderTimeout] {
        assert!(names.contains(&kind.name()), "{}", kind.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_emptied_by_the_deadline_does_not_hold_the_drain() {
    // As many as may wait for the one worker, the one that it is busy with, and more.
    const CLIENTS: usize = 260;
    let scope = Scope::root("test").open().unwrap();
    let workers = Workers::start(&scope, WorkersConfig { threads: NonZeroUsize::new(1) }).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let config = ServerConfig::default();
    let server =
        serve_on(&scope, "full", listener().await, config, &workers, Record::default(), move |_worker| {
            let released = Arc::clone(&released);
            move |_connection: &Arc<Connection>| {
                // Until the test lets go of the other end.
                let _ = released.lock().unwrap().recv();
                service_fn(async |_request: Request<RequestBody>| {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                })
            }
        })
        .unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(server.address()).await);
    }
    // One is held by the worker, 256 wait for it, and one is on its way.
    while server.connections() < 258 {
        tokio::task::yield_now().await;
    }
    let drain = tokio::time::timeout(PATIENCE, server.drain(Deadline::after(SHORT))).await;
    let Ok(Drain::TimedOut(cut)) = &drain else { panic!("{drain:?}") };
    assert_eq!((cut.aborted, cut.stuck), (0, 258));
    drop(release);
    assert!(scope.halt().await.error.is_some());
}

#[tokio::test]
async fn a_connection_for_which_no_worker_is_left_is_told_and_closed() {
    let scope = Scope::root("test").open().unwrap();
    let threads = scope.child("threads").open().unwrap();
    let workers = Workers::start(&threads, WorkersConfig { threads: NonZeroUsize::new(1) }).unwrap();
    let (record, config) = (Record::default(), ServerConfig::default());
    let server = serve_on(&scope, "left", listener().await, config, &workers, record.clone(), |_worker| {
        |_connection: &Arc<Connection>| {
            service_fn(async |_request: Request<RequestBody>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            })
        }
    })
    .unwrap();
    // Once it has answered, the worker has taken the server over.
    let mut first = Client::connect(server.address()).await;
    first.send(get("/")).await;
    first.read_to("\r\n\r\n").await;
    threads.halt().await;
    let mut client = Client::connect(server.address()).await;
    let error = std::io::ErrorKind::BrokenPipe.into();
    record.until(|event| *event == EventKind::SocketSetupFailed { error }).await;
    assert_eq!(client.read_to_close().await.unwrap(), "");
    assert_eq!(server.drain(Deadline::after(PATIENCE)).await, Drain::SupervisorFailed);
    let told = record.all().into_iter().filter(|event| event.name() == "socket_setup_failed");
    assert_eq!(told.count(), 1);
    assert_eq!(server.connections(), 0);
    scope.halt().await;
}

/// Lets a handler go on when it is dropped.
struct Release(std::sync::mpsc::Sender<()>);

impl Drop for Release {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_connection_that_only_ends_when_the_scope_takes_what_serves_it_is_cut_too() {
    let scope = Scope::root("test").open().unwrap();
    let record = Record::default();
    let (enter, mut entered) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel();
    let (release, released) = (Release(release), Arc::new(Mutex::new(released)));
    let config = ServerConfig::default();
    let server = serve(&scope, "held", listener().await, config, record.clone(), move |_connection| {
        let _with_what_accepts = &release;
        let (enter, released) = (enter.clone(), Arc::clone(&released));
        service_fn(move |_request: Request<RequestBody>| {
            enter.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        })
    })
    .unwrap();
    let mut client = Client::connect(server.address()).await;
    client.send(get("/")).await;
    entered.recv().await.unwrap();
    let report = scope.halt_by(&Deadline::after(Duration::ZERO)).await;
    let error = report.error.expect("a cut response is reported");
    assert!(
        error.to_string().contains("drain cut short with 1 waiting for a response: 1 aborted"),
        "{error}"
    );
    let expected = Drain::Forced(Cut { remaining: one(Phase::Handler), aborted: 1, stuck: 0 });
    assert_eq!(server.wait().await, expected);
    assert_eq!(client.read_to_close().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let aborted = EventKind::ConnectionAborted { phase: Phase::Handler };
    assert_eq!(record.all(), [aborted, EventKind::ShutdownTimedOut { remaining: one(Phase::Handler) }]);
}

#[tokio::test]
async fn what_outlives_even_the_grace_of_the_scope_is_told_before_that_is_over() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/keep")).await;
    stage.cues.entered.notified().await;
    tokio::time::pause();
    let report = stage.scope.halt_by(&Deadline::after(Duration::ZERO)).await;
    let error = report.error.expect("a stuck connection is reported");
    assert!(error.to_string().contains("1 upgraded: 0 aborted, 1 stuck"), "{error}");
    assert_eq!(report.stuck, [""; 0]);
    let expected = Drain::Forced(Cut { remaining: one(Phase::Upgraded), aborted: 0, stuck: 1 });
    assert_eq!(stage.server.wait().await, expected);
    stage.cues.kept.lock().unwrap().clear();
}

#[tokio::test]
async fn a_drain_that_is_hurried_after_a_while_still_tells_what_it_cut() {
    let (stage, mut client) = busy(ServerConfig::default()).await;
    let halt = stage.scope.halt_by(&Deadline::after(HOUR));
    while stage.server.state() < State::Draining {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    drop(stage.scope.halt_by(&Deadline::after(Duration::ZERO)));
    let report = halt.await;
    let error = report.error.expect("a cut response is reported");
    assert!(
        error.to_string().contains("drain cut short with 1 waiting for a response: 1 aborted"),
        "{error}"
    );
    assert_eq!(report.stuck, [""; 0]);
    client.read_to_close().await.unwrap_err();
}
