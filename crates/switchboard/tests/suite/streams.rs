//! What has no end of its own: event streams, upgrades, bodies without a length.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::stage::{Cast, Stage};
use ostler_testing::Backend;

#[tokio::test]
async fn each_event_passes_as_it_comes_and_the_stream_holds_a_lease() {
    let next = Arc::new(Notify::new());
    let release = Arc::clone(&next);
    let backend = Backend::start(move |_number, mut peer| {
        let next = Arc::clone(&release);
        async move {
            peer.head().await;
            peer.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .await;
            for event in ["a", "b"] {
                next.notified().await;
                peer.send(&format!("9\r\ndata: {event}\n\n\r\n")).await;
            }
            peer.closed().await;
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET /sse HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    client.read_to("\r\n\r\n").await;
    for event in ["data: a\n\n", "data: b\n\n"] {
        assert_eq!(stage.leases("a.localhost"), 1);
        next.notify_one();
        client.read_to(event).await;
    }
    drop(client);
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_both_ways_and_holds_a_lease_to_its_end() {
    let backend = Backend::start(|_number, mut peer| async move {
        let head = peer.head().await.unwrap().to_lowercase();
        assert!(head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"));
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        while let Some(word) = peer.read_to(".").await {
            peer.send(&word.to_uppercase()).await;
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    let head = client.read_to("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    for (word, echo) in [("one.", "ONE."), ("two.", "TWO.")] {
        client.send(word).await;
        assert_eq!(client.read_to(".").await, echo);
        assert_eq!(stage.leases("a.localhost"), 1);
    }
    drop(client);
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn a_websocket_whose_client_is_gone_is_over_even_if_its_server_stays() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        peer.closed().await;
        std::future::pending::<()>().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_to("\r\n\r\n").await;
    assert_eq!(stage.leases("a.localhost"), 1);
    drop(client);
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let backend = Backend::answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for _ in 0..2 {
        client
            .send(
                "GET /ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await;
        assert!(client.read_to("no").await.starts_with("HTTP/1.1 403 "));
    }
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_arrives_whole() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    client.read_to("to the end").await;
    // Chunked towards the client, whose connection goes on.
    client.read_to("\r\n0\r\n\r\n").await;
    stage.end().await;
}

#[tokio::test]
async fn a_body_cut_short_by_its_server_is_seen_as_cut_by_the_client() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    client.read_to("abc\r\n").await;
    let rest = client.read_to_close().await.unwrap_or_default();
    assert!(!rest.contains("0\r\n\r\n"), "the end of a chunked body was made up: {rest:?}");
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn an_early_answer_to_a_long_upload_arrives() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
        peer.closed().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 1000000\r\n\r\nsome").await;
    assert!(client.read_to("big").await.starts_with("HTTP/1.1 413 "));
    drop(client);
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn an_early_answer_arrives_even_if_its_server_closes_and_lets_the_upload_break() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
            .await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    for round in 0..20 {
        let mut client = ostler_net::Stream::connect(stage.switchboard.address()).await.unwrap();
        let length = 4 * 1024 * 1024;
        let head = format!("POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        // The upload may well be cut off.
        let _ = client.write_all(&vec![0; length]).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"big") && matches!(client.read_buf(&mut answer).await, Ok(1..)) {}
        assert!(answer.starts_with(b"HTTP/1.1 413 "), "{round}: {}", String::from_utf8_lossy(&answer));
    }
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}
