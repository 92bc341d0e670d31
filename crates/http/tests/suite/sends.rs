//! A client that resets the connection at each part of a response.
//!
//! A second request behind the first keeps hyper from reading, and so from seeing the reset before it writes.

use std::io::ErrorKind;

use ostler_http::{EventKind, Fault, Phase, SendSite, ServerConfig};
use ostler_testing::Client;

use crate::stage::{Piece, Stage, get};

/// Asserts that the one connection ended with a response that could not be sent at `site`.
async fn ends_at(stage: Stage, expected: SendSite) {
    stage.record.until(EventKind::is_end).await;
    let ends = stage.record.ends();
    let [EventKind::SendFailed { site, error: Fault { kind, errno: Some(_) } }] = ends.as_slice() else {
        panic!("{ends:?}");
    };
    assert_eq!(*site, expected);
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    stage.ends(&ends).await;
}

async fn two(stage: &Stage, path: &str) -> Client {
    let mut client = stage.client().await;
    client.send(get(path) + &get("/")).await;
    client
}

#[tokio::test]
async fn at_the_head() {
    let stage = Stage::new(ServerConfig::default()).await;
    let client = two(&stage, "/slow").await;
    stage.cues.entered.notified().await;
    client.reset();
    stage.cues.release.notify_one();
    ends_at(stage, SendSite::SendResponse).await;
}

#[tokio::test]
async fn at_a_chunk() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = two(&stage, "/chunks").await;
    stage.stream(Piece::Bytes("hello"));
    client.read_to("hello\r\n").await;
    client.reset();
    stage.stream(Piece::Bytes("HTTP/1.1 200 OK"));
    ends_at(stage, SendSite::SendChunk).await;
}

#[tokio::test]
async fn at_the_last_chunk() {
    let mut stage = Stage::new(ServerConfig::default()).await;
    let mut client = two(&stage, "/chunks").await;
    stage.stream(Piece::Bytes("hello"));
    client.read_to("hello\r\n").await;
    client.reset();
    stage.end_stream();
    ends_at(stage, SendSite::SendChunkTerminator).await;
}

#[tokio::test]
async fn at_a_piece_of_a_body_of_known_length_that_looks_like_a_head() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = two(&stage, "/pieces").await;
    stage.stream(Piece::Bytes("01"));
    client.read_to("\r\n\r\n01").await;
    client.reset();
    stage.stream(Piece::Bytes("HTTP/1.1"));
    ends_at(stage, SendSite::SendBody).await;
}

#[tokio::test]
async fn at_a_body_that_waits_for_the_client_to_read() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/big")).await;
    client.read_to("\r\n\r\n").await;
    client.reset();
    ends_at(stage, SendSite::SendBody).await;
}

#[tokio::test]
async fn between_two_chunks_where_reading_sees_it_first() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/chunks")).await;
    stage.stream(Piece::Bytes("hello"));
    client.read_to("hello\r\n").await;
    client.reset();
    ends_at(stage, SendSite::SendChunk).await;
}

#[tokio::test]
async fn at_100_continue() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    // The first of the body comes unasked, so that hyper need not read before it writes.
    client
        .send(
            "POST /read-late HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\nhello",
        )
        .await;
    stage.cues.entered.notified().await;
    client.reset();
    stage.cues.release.notify_one();
    ends_at(stage, SendSite::SendContinue).await;
}

#[tokio::test]
async fn while_the_service_works_is_no_part_of_a_response() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/slow")).await;
    stage.cues.entered.notified().await;
    client.reset();
    stage.ends(&[EventKind::ClientDisconnected { phase: Phase::Handler }]).await;
}

#[tokio::test]
async fn while_nothing_is_asked_for_is_no_part_of_a_response_either() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/")).await;
    client.read_to("ok").await;
    client.reset();
    stage.ends(&[EventKind::ClientDisconnected { phase: Phase::Idle }]).await;
}
