//! Requests are answered, on this runtime and on the workers.

use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{Discard, Drain, Phase, RequestBody, ServerConfig, serve, serve_on};
use ostler_scope::{Deadline, Scope};
use tokio_util::sync::CancellationToken;

use crate::{echo, listener, workers};
use ostler_testing::{Client, PATIENCE};

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig::default()).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.read_to("/a").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(client.read_to("/b").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!((server.served(), server.connections()), (2, 1));
    assert!(scope.halt().await.error.is_none());
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_serve_with_what_never_leaves_their_thread() {
    let scope = Scope::root("test").open().unwrap();
    let workers = workers(&scope);
    let config = ServerConfig::default();
    let server = serve_on(&scope, "local", listener().await, config, &workers, Discard, |worker| {
        let body = Rc::new(format!("thread {worker}."));
        move |_connection| {
            let body = Rc::clone(&body);
            service_fn(move |_request: Request<RequestBody>| {
                let body = Rc::clone(&body);
                async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body.to_string())))) }
            })
        }
    })
    .unwrap();
    let mut answers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(server.address()).await;
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        client.read_to("\r\n\r\n").await;
        answers.push(client.read_to(".").await);
        clients.push(client);
    }
    // Each connection went to the thread that had the fewer.
    answers.sort();
    assert_eq!(answers, ["thread 0.", "thread 1."]);
    assert_eq!(server.phases().0.get(&Phase::Idle), Some(&2));
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn an_aborting_handler_costs_its_own_connection_only() {
    let scope = Scope::root("test").open().unwrap();
    let server = serve(&scope, "panics", listener().await, ServerConfig::default(), Discard, |_connection| {
        service_fn(async |request: Request<RequestBody>| {
            assert_ne!(request.uri().path(), "/panic", "as the test wants");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"fine"))))
        })
    })
    .unwrap();
    let mut victim = Client::connect(server.address()).await;
    let mut witness = Client::connect(server.address()).await;
    victim.send("GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(victim.read_to_close().await.unwrap().starts_with("HTTP/1.1 500 "));
    witness.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    witness.read_to("fine").await;
    assert_eq!(server.connections(), 1);
    assert!(scope.halt().await.error.is_none());
}

/// It listens before it is in charge: somebody else may accept from the same queue.
#[tokio::test]
async fn nobody_is_accepted_before_the_opening_and_nobody_is_lost() {
    let scope = Scope::root("test").open().unwrap();
    let opening = CancellationToken::new();
    let config = ServerConfig { opening: Some(opening.clone()), ..ServerConfig::default() };
    let server = echo(&scope, config.clone()).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET /early HTTP/1.1\r\nHost: x\r\n\r\n").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.connections(), 0);
    opening.cancel();
    client.read_to("/early").await;
    // One that never opens ends all the same.
    let never = ServerConfig { opening: Some(CancellationToken::new()), ..config };
    let server = echo(&scope, never).await;
    let drain = server.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { served: 0, .. }), "{drain:?}");
    scope.halt().await;
}
