//! A drain and each phase a connection can be in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{
    Connection, Cut, Discard, Drain, Ending, Phase, RequestBody, ServerConfig, ServerHandle, Workers,
    WorkersConfig, serve, serve_on,
};
use ostler_net::{FileOwner, Listener, Passed, Stream};
use ostler_scope::{Deadline, Scope};
use tokio::sync::Notify;

use ostler_testing::Client;
use ostler_testing::PATIENCE;

use crate::{echo, listener};

/// A server whose handlers announce themselves and then wait to be released.
struct Slow {
    server: ServerHandle,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

async fn slow(scope: &Scope) -> Slow {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, released) = (Arc::clone(&entered), Arc::clone(&release));
    let server =
        serve(scope, "slow", listener().await, ServerConfig::default(), Discard, move |_connection| {
            let (enter, released) = (Arc::clone(&enter), Arc::clone(&released));
            service_fn(move |_request: Request<RequestBody>| {
                let (enter, released) = (Arc::clone(&enter), Arc::clone(&released));
                async move {
                    enter.notify_one();
                    released.notified().await;
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"slow"))))
                }
            })
        })
        .unwrap();
    Slow { server, entered, release }
}

#[tokio::test]
async fn what_is_idle_is_closed_at_once_and_new_clients_are_refused() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig::default()).await;
    let mut silent = Client::connect(server.address()).await;
    let mut idle = Client::connect(server.address()).await;
    idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.read_to("/a").await;
    let drain = server.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { served: 1, .. }), "{drain}");
    assert_eq!(silent.read_to_close().await.unwrap(), "");
    assert_eq!(idle.read_to_close().await.unwrap(), "");
    let refused = Stream::connect(server.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn a_connection_still_in_the_accept_queue_is_served() {
    let scope = Scope::root("test").open().unwrap();
    let listener = listener().await;
    let mut queued = Client::connect(listener.address()).await;
    queued.send("GET /q HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let server = serve(&scope, "late", listener, ServerConfig::default(), Discard, |_connection| {
        service_fn(async |_request: Request<RequestBody>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"served"))))
        })
    })
    .unwrap();
    let drain = server.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { .. }), "{drain}");
    let answer = queued.read_to_close().await.unwrap();
    assert!(answer.ends_with("served"), "{answer:?}");
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn a_connection_that_the_runtime_has_not_heard_of_yet_is_served() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig::default()).await;
    // Once it has answered, it waits for the next one.
    let mut first = Client::connect(server.address()).await;
    first.send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.read_to("/first").await;
    let ostler_net::Address::Tcp(address) = server.address() else { panic!("{}", server.address()) };
    let mut queued = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut queued, b"GET /queued HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let drain = server.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { served: 2, .. }), "{drain}");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut queued, &mut answer).unwrap();
    assert!(answer.ends_with("/queued"), "{answer:?}");
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_for_its_worker_when_the_drain_begins_is_served() {
    let scope = Scope::root("test").open().unwrap();
    let threads = std::num::NonZeroUsize::new(1);
    let workers = Workers::start(&scope, WorkersConfig { threads }).unwrap();
    let (blocked, mut is_blocked) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let config = ServerConfig::default();
    let server = serve_on(&scope, "one", listener().await, config, &workers, Discard, move |_worker| {
        let (blocked, released) = (blocked.clone(), Arc::clone(&released));
        move |connection: &Arc<Connection>| {
            let (blocked, released) = (blocked.clone(), Arc::clone(&released));
            let connection = Arc::clone(connection);
            service_fn(move |request: Request<RequestBody>| {
                if request.uri().path() == "/block" {
                    blocked.send(Arc::clone(&connection)).unwrap();
                    released.lock().unwrap().recv().unwrap();
                }
                async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"served")))) }
            })
        }
    })
    .unwrap();
    let mut first = Client::connect(server.address()).await;
    first.send("GET /block HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let connection = is_blocked.recv().await.unwrap();
    let mut queued = Client::connect(server.address()).await;
    queued.send("GET /q HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let draining = tokio::spawn({
        let server = server.clone();
        async move { server.drain(Deadline::after(PATIENCE)).await }
    });
    while !connection.is_draining() {
        tokio::task::yield_now().await;
    }
    drop(connection);
    release.send(()).unwrap();
    first.read_to("served").await;
    let answer = queued.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("served"), "{answer}");
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served: 2, .. }), "{drain}");
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn a_retiring_server_answers_who_is_connected_once_more_and_leaves_the_queue_to_its_heir() {
    let scope = Scope::root("test").open().unwrap();
    let listener = listener().await;
    let bequest = listener.bequest();
    let passed = Passed::new(bequest.descriptor().unwrap().unwrap(), FileOwner::Us).unwrap();
    let server = serve(&scope, "old", listener, ServerConfig::default(), Discard, |_connection| {
        service_fn(async |_request: Request<RequestBody>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"old"))))
        })
    })
    .unwrap();
    let mut idle = Client::connect(server.address()).await;
    let mut other = Client::connect(server.address()).await;
    for client in [&mut idle, &mut other] {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.read_to("old").await;
    }

    bequest.hand_over();
    server.retire().await;
    let mut queued = Client::connect(server.address()).await;
    queued.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = idle.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("old"), "{answer}");
    assert_eq!(server.connections(), 1, "who has not asked is not closed on");
    other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    other.read_to_close().await.unwrap();
    server.gone().await;

    let heir = serve(
        &scope,
        "new",
        Listener::adopt(passed).unwrap(),
        ServerConfig::default(),
        Discard,
        |_connection| {
            service_fn(async |_request: Request<RequestBody>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"new"))))
            })
        },
    )
    .unwrap();
    queued.read_to("new").await;
    let drain = server.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { served: 4, .. }), "{drain}");
    let drain = heir.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { served: 1, .. }), "{drain}");
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn an_exchange_in_flight_is_finished_and_says_that_the_connection_closes() {
    let scope = Scope::root("test").open().unwrap();
    let Slow { server, entered, release } = slow(&scope).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entered.notified().await;
    let draining = tokio::spawn({
        let server = server.clone();
        async move { server.drain(Deadline::after(PATIENCE)).await }
    });
    while Stream::connect(server.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("slow"), "{answer}");
    assert!(matches!(draining.await.unwrap(), Drain::Drained { served: 1, .. }));
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn what_is_left_at_the_deadline_is_reset_and_counted_by_phase() {
    let scope = Scope::root("test").open().unwrap();
    let Slow { server, entered, .. } = slow(&scope).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entered.notified().await;
    let drain = server.drain(Deadline::after(Duration::from_millis(20))).await;
    let Drain::TimedOut(Cut { remaining, aborted, stuck }) = &drain else { panic!("{drain}") };
    assert_eq!(remaining.0.get(&Phase::Handler), Some(&1));
    assert_eq!((*aborted, *stuck), (1, 0));
    let reset = client.read_to_close().await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(drain.to_string(), "drain deadline passed with 1 waiting for a response: 1 aborted, 0 stuck");
    // The scope reports the cut once more, for whoever only sees its end.
    assert!(scope.halt().await.error.is_some());
}

#[tokio::test]
async fn a_later_call_shortens_the_deadline_and_never_extends_it() {
    let scope = Scope::root("test").open().unwrap();
    let Slow { server, entered, .. } = slow(&scope).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entered.notified().await;
    let first = server.drain(Deadline::after(Duration::from_secs(3600)));
    let second = server.drain(Deadline::after(Duration::from_millis(20)));
    let third = server.drain(Deadline::after(Duration::from_secs(3600)));
    let (first, second, third) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(first, second, third) }).await.unwrap();
    assert!(matches!(first, Drain::TimedOut(Cut { aborted: 1, .. })));
    assert_eq!((&second, &third), (&first, &first));
    // The scope reports the cut once more, for whoever only sees its end.
    assert!(scope.halt().await.error.is_some());
}

#[tokio::test]
async fn a_halted_scope_drains_and_reports_what_it_cut() {
    let scope = Scope::root("test").open().unwrap();
    let Slow { server, entered, .. } = slow(&scope).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    entered.notified().await;
    // Time passes when everybody waits for it.
    tokio::time::pause();
    let report = scope.halt_by(&Deadline::after(Duration::from_millis(20))).await;
    let error = report.error.clone().unwrap_or_else(|| panic!("a cut response is reported: {report:?}"));
    assert!(error.to_string().contains("drain deadline passed"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_wait_for_a_worker_that_dies_are_not_counted_for_ever() {
    let scope = Scope::root("test").open().unwrap();
    let threads = std::num::NonZeroUsize::new(1);
    let workers = Workers::start(&scope, WorkersConfig { threads }).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let config = ServerConfig { drain_timeout: Duration::from_millis(20), ..ServerConfig::default() };
    let server = serve_on(&scope, "dying", listener().await, config, &workers, Discard, move |_worker| {
        let released = Arc::clone(&released);
        move |_connection: &Arc<Connection>| {
            released.lock().unwrap().recv().expect("as the test wants");
            service_fn(async |_request: Request<RequestBody>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            })
        }
    })
    .unwrap();
    let _clients = [Client::connect(server.address()).await, Client::connect(server.address()).await];
    while server.connections() < 2 {
        tokio::task::yield_now().await;
    }
    drop(release);
    assert!(scope.halt().await.error.is_some());
    assert_eq!(server.connections(), 0);
}

/// A server that upgrades every connection and tells it how to end.
async fn upgrading(scope: &Scope) -> ServerHandle {
    let upgrade = |connection: &Arc<Connection>| {
        let connection = Arc::clone(connection);
        service_fn(move |mut request: Request<RequestBody>| {
            let upgraded = connection.upgrade();
            let on_upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let stream = on_upgrade.await.unwrap();
                upgraded.asked_to(Ending::Abort).await;
                drop((stream, upgraded));
            });
            let response =
                Response::builder().status(101).header("connection", "upgrade").header("upgrade", "x");
            let body = BoxBody::new(Full::new(Bytes::new()).map_err(|never| match never {}));
            async move { Ok::<Response<BoxBody<Bytes, Infallible>>, Infallible>(response.body(body).unwrap()) }
        })
    };
    serve(scope, "upgrading", listener().await, ServerConfig::default(), Discard, upgrade).unwrap()
}

#[tokio::test]
async fn an_upgraded_connection_is_waited_for_and_counted() {
    let scope = Scope::root("test").open().unwrap();
    let server = upgrading(&scope).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert!(client.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    let drain = server.drain(Deadline::after(Duration::from_millis(20))).await;
    let Drain::TimedOut(Cut { remaining, aborted: 1, stuck: 0 }) = &drain else { panic!("{drain}") };
    assert_eq!(remaining.0.get(&Phase::Upgraded), Some(&1));
    client.read_to_close().await.unwrap_err();
    // The scope reports the cut once more, for whoever only sees its end.
    assert!(scope.halt().await.error.is_some());
}
