//! What has no end of its own, when its server is told to go.

use std::sync::Arc;

use ostler_http::Drain;
use ostler_pool::{Key, Policy};
use ostler_scope::Deadline;
use tokio::sync::{Notify, oneshot};

use crate::stage::{Cast, Stage};
use ostler_testing::{Backend, Client, PATIENCE};

const SSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const A: &str = "8\r\ndata: a\n\r\n";

/// A server with one event, and another and the end of its stream each time it is notified.
async fn streaming(next: &Arc<Notify>) -> Backend {
    let next = Arc::clone(next);
    Backend::start(move |_number, mut peer| {
        let next = Arc::clone(&next);
        async move {
            peer.head().await;
            peer.send(SSE).await;
            peer.send(A).await;
            tokio::select! {
                () = next.notified() => peer.send("8\r\ndata: b\n\r\n0\r\n\r\n").await,
                () = peer.closed() => {}
            }
            peer.closed().await;
        }
    })
    .await
}

/// A stream of which the first event has come.
async fn stream(stage: &Stage, method: &str) -> Client {
    let mut client = stage.client().await;
    client.send(format!("{method} / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 0\r\n\r\n")).await;
    client.read_to("data: a\n\r\n").await;
    client
}

/// Has the server of `a.localhost` go; the task ends when it is gone.
fn stop(stage: &Stage) -> tokio::task::JoinHandle<()> {
    let pool = stage.pool.clone();
    tokio::spawn(async move { pool.shutdown(&Key::from("a.localhost")).await.unwrap() })
}

#[tokio::test]
async fn an_event_stream_ends_whole_when_only_its_server_goes_and_its_connection_stays() {
    let backend = streaming(&Arc::default()).await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stream(&stage, "GET").await;
    let stopping = stop(&stage);
    assert_eq!(client.read_to("\r\n\r\n").await, "0\r\n\r\n");
    stopping.await.unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    client.read_to("data: a\n\r\n").await;
    assert_eq!(stage.cast.started(), ["a.localhost", "a.localhost"]);
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn an_answer_that_is_told_in_events_is_finished_first() {
    let next = Arc::default();
    let backend = streaming(&next).await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stream(&stage, "POST").await;
    let draining = tokio::spawn({
        let switchboard = stage.switchboard.clone();
        async move { switchboard.drain(Deadline::after(PATIENCE)).await }
    });
    stage.until_closed().await;
    let stopping = stop(&stage);
    stage.until_draining("a.localhost").await;
    next.notify_one();
    assert_eq!(client.read_to("0\r\n\r\n").await, "8\r\ndata: b\n\r\n0\r\n\r\n");
    stopping.await.unwrap();
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { .. }), "{drain}");
    stage.end().await;
}

#[tokio::test]
async fn an_event_stream_that_is_the_last_use_of_its_server_is_not_ended_for_that() {
    let next = Arc::default();
    let backend = streaming(&next).await;
    let cast = Cast::default().with("a.localhost", &backend.address);
    let stage = Stage::new(cast.under(Policy { max_uses: Some(1), ..Policy::default() })).await;
    let mut client = stream(&stage, "GET").await;
    stage.until_draining("a.localhost").await;
    next.notify_one();
    assert_eq!(client.read_to("0\r\n\r\n").await, "8\r\ndata: b\n\r\n0\r\n\r\n");
    stage.end().await;
}

#[tokio::test]
async fn an_event_stream_whose_server_dies_is_seen_as_cut() {
    let cut = Arc::new(Notify::new());
    let cutting = Arc::clone(&cut);
    let backend = Backend::start(move |_number, mut peer| {
        let cut = Arc::clone(&cutting);
        async move {
            peer.head().await;
            peer.send(SSE).await;
            peer.send(A).await;
            cut.notified().await;
            peer.send("8\r\ndata: b\n").await;
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stream(&stage, "GET").await;
    stage.cast.death().notify_one();
    stage.until_gone("a.localhost").await;
    cut.notify_one();
    let rest = client.read_to_close().await.unwrap_or_default();
    assert!(!rest.contains("0\r\n\r\n"), "the end of a broken stream was made up: {rest:?}");
    stage.end().await;
}

#[tokio::test]
async fn both_ends_of_a_websocket_are_told_1001_when_only_its_server_goes() {
    let (told, heard) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let backend = Backend::start(move |_number, mut peer| {
        let told = told.lock().unwrap().take();
        async move {
            peer.head().await;
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await;
            let close = peer.read_bytes(8).await;
            let _ = told.unwrap().send(close);
            peer.closed().await;
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_to("\r\n\r\n").await;
    let stopping = stop(&stage);
    assert_eq!(client.read_bytes(4).await, b"\x88\x02\x03\xe9");
    assert_eq!(heard.await.unwrap().unwrap(), b"\x88\x82\0\0\0\0\x03\xe9");
    client.send(b"\x88\x82\0\0\0\0\x03\xe9").await;
    drop(client);
    stopping.await.unwrap();
    stage.end().await;
}
