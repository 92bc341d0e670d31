//! Clients that take their time, each with the event, its count and what becomes of the socket.

use std::io::ErrorKind;
use std::time::Duration;

use ostler_http::{BodyBound, EventKind, Phase, ServerConfig, WriteBound};
use ostler_testing::{Client, PATIENCE};

use crate::stage::{Stage, get};

const SHORT: Duration = Duration::from_millis(100);

/// Sends `drip` again and again until the server has had enough.
async fn drip(stage: &Stage, client: &mut Client, drip: &[u8]) {
    let dripping = async {
        while stage.record.ends().is_empty() && client.try_send(drip).await > 0 {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.expect("the drip is still served");
}

#[tokio::test]
async fn a_silent_client_is_closed_without_a_word() {
    let stage = Stage::new(ServerConfig { idle_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    assert_eq!(client.read_to_close().await.unwrap(), "");
    stage.ends(&[EventKind::IdleTimeout]).await;
}

#[tokio::test]
async fn an_idle_client_is_closed_after_its_response() {
    let stage = Stage::new(ServerConfig { idle_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send(get("/")).await;
    assert!(client.read_to_close().await.unwrap().ends_with("ok"));
    stage.ends(&[EventKind::IdleTimeout]).await;
}

#[tokio::test]
async fn a_head_that_drips_is_answered_408() {
    let stage = Stage::new(ServerConfig { header_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
    drip(&stage, &mut client, b"X-Drip: 1\r\n").await;
    assert!(client.read_to_close().await.unwrap().starts_with("HTTP/1.1 408 "));
    drop(client);
    stage.ends(&[EventKind::HeaderTimeout]).await;
}

#[tokio::test]
async fn a_second_head_that_stops_is_answered_408_behind_the_first_response() {
    let stage = Stage::new(ServerConfig { header_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send(get("/")).await;
    client.read_to("ok").await;
    client.send("GET / HTTP").await;
    assert!(client.read_to_close().await.unwrap().starts_with("HTTP/1.1 408 "));
    drop(client);
    stage.ends(&[EventKind::HeaderTimeout]).await;
}

#[tokio::test]
async fn a_body_that_drips_is_answered_408_at_its_total_deadline() {
    let config = ServerConfig { body_timeout: Some(2 * SHORT), ..ServerConfig::default() };
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    drip(&stage, &mut client, b"x").await;
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close\r\n"), "{answer}");
    drop(client);
    stage.ends(&[EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Total }]).await;
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408_though_no_byte_comes() {
    let stage = Stage::new(ServerConfig { read_timeout: Some(SHORT), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx").await;
    assert!(client.read_to_close().await.unwrap().starts_with("HTTP/1.1 408 "));
    drop(client);
    stage.ends(&[EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Progress }]).await;
}

#[tokio::test]
async fn a_body_below_the_least_rate_is_answered_408() {
    let config =
        ServerConfig { min_receive_rate: Some(1_000_000), rate_window: 2 * SHORT, ..ServerConfig::default() };
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    drip(&stage, &mut client, b"x").await;
    assert!(client.read_to_close().await.unwrap().starts_with("HTTP/1.1 408 "));
    drop(client);
    stage.ends(&[EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Rate }]).await;
}

#[tokio::test]
async fn a_service_that_does_not_look_at_a_body_costs_its_client_no_time() {
    let config = ServerConfig {
        read_timeout: Some(SHORT),
        body_timeout: Some(SHORT),
        min_receive_rate: Some(1_000_000),
        rate_window: SHORT,
        ..ServerConfig::default()
    };
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send("POST /read-late HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nlate").await;
    stage.cues.entered.notified().await;
    tokio::time::sleep(4 * SHORT).await;
    stage.cues.release.notify_one();
    client.read_to("ok").await;
    drop(client);
    stage.ends(&[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_reset() {
    let stage = Stage::new(ServerConfig { write_timeout: Some(SHORT), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send(get("/big")).await;
    stage.record.until(EventKind::is_end).await;
    let reset = client.read_to_close().await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    stage.ends(&[EventKind::WriteStalled { bound: WriteBound::Progress }]).await;
}

/// No other connection is open on its thread.
#[tokio::test]
async fn a_client_of_another_protocol_that_does_not_read_is_reset() {
    let stage = Stage::new(ServerConfig { write_timeout: Some(SHORT), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send("GET /flood HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    client.read_to("\r\n\r\n").await;
    stage.record.until(EventKind::is_end).await;
    let reset = client.read_to_close().await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    stage.ends(&[EventKind::WriteStalled { bound: WriteBound::Progress }]).await;
}

/// One that has retired may have such clients for long.
#[tokio::test]
async fn a_client_of_another_protocol_that_does_not_read_is_reset_behind_the_last_accept() {
    let stage = Stage::new(ServerConfig { write_timeout: Some(SHORT), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send("GET /flood HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    client.read_to("\r\n\r\n").await;
    stage.server.retire().await;
    stage.record.until(EventKind::is_end).await;
    drop(client);
    stage.ends(&[EventKind::WriteStalled { bound: WriteBound::Progress }]).await;
}

#[tokio::test]
async fn a_client_that_reads_a_little_now_and_then_is_reset() {
    let config = ServerConfig {
        min_send_rate: Some(1_000_000_000),
        rate_window: 2 * SHORT,
        ..ServerConfig::default()
    };
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send(get("/big")).await;
    let sipping = async {
        while stage.record.ends().is_empty() {
            client.read_bytes(256 * 1024).await;
            tokio::time::sleep(SHORT / 5).await;
        }
    };
    tokio::time::timeout(PATIENCE, sipping).await.expect("the client is still served");
    client.read_to_close().await.unwrap_err();
    stage.ends(&[EventKind::WriteStalled { bound: WriteBound::Rate }]).await;
}

#[tokio::test]
async fn a_head_that_breaks_off_is_a_client_that_left() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut closing = stage.client().await;
    closing.send("GET / HT").await;
    closing.finish().await;
    assert_eq!(closing.read_to_close().await.unwrap(), "");
    let mut resetting = stage.client().await;
    resetting.send("GET / HT").await;
    while stage.server.phases().0.get(&Phase::Head) != Some(&1) {
        tokio::task::yield_now().await;
    }
    resetting.reset();
    let left = EventKind::ClientDisconnected { phase: Phase::Head };
    stage.ends(&[left.clone(), left]).await;
}
