//! The end of a switchboard with requests in flight.

use std::sync::Arc;
use std::time::Duration;

use ostler_http::{Cut, Drain, Phase};
use ostler_scope::Deadline;
use tokio::sync::Notify;

use crate::stage::{Cast, Stage};
use ostler_testing::{Backend, Held, PATIENCE};

const SSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n8\r\ndata: a\n\r\n";

#[tokio::test]
async fn an_event_stream_ends_cleanly_at_once() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send(SSE).await;
        peer.closed().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    client.read_to("data: a\n\r\n").await;
    let drain = stage.switchboard.drain(Deadline::after(PATIENCE)).await;
    assert!(matches!(drain, Drain::Drained { .. }), "{drain}");
    assert_eq!(client.read_to_close().await.unwrap(), "0\r\n\r\n");
    stage.end().await;
}

#[tokio::test]
async fn a_response_in_flight_is_finished_before_its_server_is_stopped() {
    let Held { backend, arrived, release } =
        Backend::holding("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    arrived.notified().await;
    let halting = stage.scope.halt();
    stage.until_closed().await;
    assert_eq!(stage.leases("a.localhost"), 1);
    release.notify_one();
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
    assert!(halting.await.error.is_none());
}

#[tokio::test]
async fn a_tunnel_is_waited_for_until_the_deadline_and_then_reset() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    client.read_to("\r\n\r\n").await;
    let drain = stage.switchboard.drain(Deadline::after(Duration::from_millis(30))).await;
    let Drain::TimedOut(Cut { remaining, aborted: 1, stuck: 0 }) = &drain else { panic!("{drain}") };
    assert_eq!(remaining.0.get(&Phase::Upgraded), Some(&1));
    client.read_to_close().await.unwrap_err();
    stage.until_leases("a.localhost", 0).await;
    assert!(stage.scope.halt().await.error.is_some());
}

#[tokio::test]
async fn both_ends_of_a_websocket_are_told_1001_after_the_frame_under_way() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let halfway = Arc::new(Notify::new());
    let go_on = Arc::clone(&halfway);
    let backend = Backend::start(move |_number, mut peer| {
        let (told, go_on) = (Arc::clone(&told), Arc::clone(&go_on));
        async move {
            peer.head().await;
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await;
            // Three bytes of a text frame of five; the rest comes when the drain has begun.
            peer.send("\u{1}\u{5}hel").await;
            go_on.notified().await;
            peer.send("lo").await;
            peer.closed().await;
            let _ = told.lock().unwrap().take().unwrap().send(peer.rest());
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_to("hel").await;
    let draining = tokio::spawn({
        let switchboard = stage.switchboard.clone();
        async move { switchboard.drain(Deadline::after(PATIENCE)).await }
    });
    stage.until_closed().await;
    halfway.notify_one();
    assert_eq!(client.read_bytes(6).await, b"lo\x88\x02\x03\xe9");
    drop(client);
    assert_eq!(heard.await.unwrap(), b"\x88\x82\0\0\0\0\x03\xe9");
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { .. }), "{drain}");
    stage.end().await;
}

#[tokio::test]
async fn a_websocket_end_that_has_been_sent_a_close_is_sent_no_second_one() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let closed = Arc::new(Notify::new());
    let close = Arc::clone(&closed);
    let backend = Backend::start(move |_number, mut peer| {
        let (told, close) = (Arc::clone(&told), Arc::clone(&close));
        async move {
            peer.head().await;
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await;
            peer.read_bytes(8).await;
            close.notify_one();
            peer.closed().await;
            let _ = told.lock().unwrap().take().unwrap().send(peer.rest());
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_to("\r\n\r\n").await;
    client.send(b"\x88\x82\0\0\0\0\x03\xe8").await;
    closed.notified().await;
    let draining = tokio::spawn({
        let switchboard = stage.switchboard.clone();
        async move { switchboard.drain(Deadline::after(PATIENCE)).await }
    });
    assert_eq!(client.read_bytes(4).await, b"\x88\x02\x03\xe9");
    drop(client);
    assert_eq!(heard.await.unwrap(), b"");
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { .. }), "{drain}");
    stage.end().await;
}
