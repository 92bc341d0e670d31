//! How connections end besides, each with the event, its count and what the client sees.

use ostler_http::{EventKind, Fault, SendSite, ServerConfig};
use ostler_net::{Address, Listener};
use ostler_testing::Client;

use crate::stage::{Piece, Stage, get};

const POST: &str = "HTTP/1.1\r\nHost: x\r\n";

/// Sends `request`, and asserts what it is answered and that this is the connection's end.
async fn refused(config: ServerConfig, request: &str, status: &str) -> EventKind {
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send(request).await;
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer:?}");
    assert!(answer.to_ascii_lowercase().contains("connection: close\r\n"), "{answer:?}");
    drop(client);
    stage.record.until(EventKind::is_end).await;
    let ends = stage.record.ends();
    stage.ends(&ends[..1]).await;
    ends[0].clone()
}

#[tokio::test]
async fn what_http_forbids_is_refused_in_front_of_the_service() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400"),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n", "417"),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
    ] {
        let end = refused(ServerConfig::default(), request, status).await;
        assert!(matches!(end, EventKind::RequestParseError { .. }), "{request:?}: {end:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let config = ServerConfig {
        max_headers: 3,
        max_header_size: Some(50),
        max_trailer_size: Some(50),
        max_body_size: Some(10),
        ..ServerConfig::default()
    };
    let long = "x".repeat(60);
    let chunked = format!("POST /read {POST}Transfer-Encoding: chunked\r\n\r\n");
    for (request, status, expected) in [
        (format!("GET / {POST}X: {long}\r\n\r\n"), "431", EventKind::HeadersTooLarge),
        (format!("GET / {POST}A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), "431", EventKind::HeadersTooLarge),
        (format!("GET /{} {POST}\r\n", "x".repeat(65_535)), "431", EventKind::HeadersTooLarge),
        (format!("{chunked}0\r\nX: {long}\r\n\r\n"), "431", EventKind::HeadersTooLarge),
        (format!("POST /read {POST}Content-Length: 11\r\n\r\n"), "413", EventKind::BodyTooLarge),
        (format!("{chunked}b\r\nhello world\r\n0\r\n\r\n"), "413", EventKind::BodyTooLarge),
    ] {
        assert_eq!(refused(config.clone(), &request, status).await, expected, "{request:.80}");
    }
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_read() {
    let stage = Stage::new(ServerConfig { max_body_size: Some(5), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send(format!("POST /read {POST}Content-Length: 5\r\n\r\nhello")).await;
    client.read_to("\r\n\r\n5").await;
    drop(client);
    stage.ends(&[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn an_early_413_is_seen_by_every_client_that_sends_eight_megabytes_first() {
    let body = vec![b'x'; 8 * 1024 * 1024];
    for (path, expected) in [("/read", EventKind::BodyTooLarge), ("/early", EventKind::ConnectionClosed)] {
        let max_body_size = (path == "/read").then_some(1024 * 1024);
        let stage = Stage::new(ServerConfig { max_body_size, ..ServerConfig::default() }).await;
        for _ in 0..20 {
            let mut client = stage.client().await;
            client.send(format!("POST {path} {POST}Content-Length: {}\r\n\r\n", body.len())).await;
            assert_eq!(client.try_send(&body).await, body.len());
            let answer = client.read_to_close().await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
        }
        stage.ends(&vec![expected; 20]).await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_none_is_told_by_its_error() {
    use std::io::ErrorKind::{InvalidInput, UnexpectedEof};
    for (head, body, error) in [
        ("Content-Length: 10", "hello", UnexpectedEof),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n", UnexpectedEof),
        ("Transfer-Encoding: chunked", "no size\r\n", InvalidInput),
    ] {
        let stage = Stage::new(ServerConfig::default()).await;
        let mut client = stage.client().await;
        client.send(format!("POST /read {POST}{head}\r\n\r\n")).await;
        stage.cues.entered.notified().await;
        client.send(body).await;
        client.finish().await;
        client.read_to_close().await.unwrap();
        stage.ends(&[EventKind::BodyReadFailed { error: error.into() }]).await;
    }
}

#[tokio::test]
async fn a_body_whose_client_resets_is_told_as_such() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(format!("POST /read {POST}Content-Length: 10\r\n\r\nhello")).await;
    stage.cues.entered.notified().await;
    client.reset();
    let error = Fault { kind: std::io::ErrorKind::ConnectionReset, errno: Some(104) };
    stage.ends(&[EventKind::BodyReadFailed { error }]).await;
}

#[tokio::test]
async fn a_panic_is_answered_500_and_hurts_nobody_else() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut witness = stage.client().await;
    let mut client = stage.client().await;
    client.send(get("/panic")).await;
    assert!(client.read_to_close().await.unwrap().starts_with("HTTP/1.1 500 "));
    witness.send(get("/")).await;
    witness.read_to("ok").await;
    drop(witness);
    let message = "as the test wants".to_owned();
    stage.ends(&[EventKind::HandlerPanicked { message }, EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_body_that_panics_or_fails_is_cut() {
    let message = || "as the test wants".to_owned();
    let failed = "error from user's Body stream: as the test wants".to_owned();
    for (version, piece, expected) in [
        ("1.1", Piece::Panic, EventKind::HandlerPanicked { message: message() }),
        ("1.1", Piece::Error, EventKind::HandlerFailed { message: failed.clone() }),
        ("1.0", Piece::Panic, EventKind::HandlerPanicked { message: message() }),
        ("1.0", Piece::Error, EventKind::HandlerFailed { message: failed }),
    ] {
        let stage = Stage::new(ServerConfig::default()).await;
        let mut client = stage.client().await;
        client.send(format!("GET /chunks HTTP/{version}\r\nHost: x\r\n\r\n")).await;
        stage.stream(Piece::Bytes("hello"));
        client.read_to("hello").await;
        stage.stream(piece);
        // Chunks show that one is missing; without them only a reset does.
        match client.read_to_close().await {
            Ok(rest) => assert_eq!((version, rest.as_str()), ("1.1", "\r\n")),
            Err(error) => assert_eq!((version, error.kind()), ("1.0", std::io::ErrorKind::ConnectionReset)),
        }
        stage.ends(&[expected]).await;
    }
}

#[tokio::test]
async fn a_service_that_fails_closes_the_connection() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/fail")).await;
    assert_eq!(client.read_to_close().await.unwrap(), "");
    stage.record.until(|kind| matches!(kind, EventKind::HandlerFailed { .. })).await;
    let ends = stage.record.ends();
    stage.ends(&ends[..1]).await;
}

#[tokio::test]
async fn an_upgrade_that_nobody_takes_has_failed() {
    let upgrade = |path| format!("GET {path} {POST}Connection: upgrade\r\nUpgrade: x\r\n\r\n");
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(upgrade("/forget-upgrade")).await;
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    stage.record.until(EventKind::is_end).await;
    let mut client: Client = stage.client().await;
    // hyper has nothing to hand over where nothing was asked for.
    client.send(get("/forget-upgrade")).await;
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    drop(client);
    stage.ends(&[EventKind::UpgradeFailed, EventKind::UpgradeFailed]).await;
}

#[tokio::test]
async fn a_request_behind_the_last_one_is_told_as_dropped() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    let next = get("/next");
    client.send(format!("GET / {POST}Connection: close\r\n\r\n{next}")).await;
    assert!(client.read_to_close().await.unwrap().ends_with("ok"));
    drop(client);
    stage.record.until(|kind| matches!(kind, EventKind::PipelinedRequestDropped { .. })).await;
    let bytes = next.len();
    assert_eq!(
        stage.record.all(),
        [EventKind::ConnectionClosed, EventKind::PipelinedRequestDropped { bytes }]
    );
    stage.ends(&[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_client_over_a_unix_socket_has_no_address() {
    let path = std::env::temp_dir().join(format!("ostler-http-{}.sock", std::process::id()));
    let listener = Listener::bind(&Address::Unix(path)).await.unwrap();
    let stage = Stage::on(listener, ServerConfig::default());
    let mut client = stage.client().await;
    client.send(get("/")).await;
    client.read_to("ok").await;
    drop(client);
    stage.record.until(EventKind::is_end).await;
    assert_eq!(stage.record.all(), [EventKind::PeerAddressUnavailable, EventKind::ConnectionClosed]);
    stage.ends(&[EventKind::ConnectionClosed]).await;
}

#[test]
fn every_site_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = SendSite::ALL.map(SendSite::name).into();
    assert_eq!(names.len(), SendSite::ALL.len());
}

#[tokio::test]
async fn a_body_found_too_large_during_the_response_is_told_as_that() {
    let stage = Stage::new(ServerConfig { max_body_size: Some(4), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await;
    client.read_to("\r\na\r\n").await;
    client.send("5\r\nbcdef\r\n").await;
    assert_eq!(client.read_to_close().await.unwrap_or_default(), "", "it is cut");
    stage.ends(&[EventKind::BodyTooLarge]).await;
}

#[tokio::test]
async fn a_response_during_which_a_body_is_found_too_large_is_cut_though_its_service_ends_it() {
    for (rest, expected) in [
        ("5\r\nbcdef\r\n", EventKind::BodyTooLarge),
        ("0\r\nX: too long\r\n\r\n", EventKind::HeadersTooLarge),
    ] {
        let config =
            ServerConfig { max_body_size: Some(4), max_trailer_size: Some(4), ..ServerConfig::default() };
        let stage = Stage::new(config).await;
        let mut client = stage.client().await;
        client
            .send(format!("POST /echo-what-comes {POST}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"))
            .await;
        client.read_to("\r\na\r\n").await;
        client.send(rest).await;
        assert_eq!(client.read_to_close().await.unwrap_or_default(), "", "it is cut");
        stage.ends(&[expected]).await;
    }
}

#[tokio::test]
async fn a_body_found_too_large_behind_its_response_ends_the_connection() {
    let stage = Stage::new(ServerConfig { max_body_size: Some(4), ..ServerConfig::default() }).await;
    let mut client = stage.client().await;
    client.send(format!("POST /read-behind {POST}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")).await;
    client.read_to("ok").await;
    stage.cues.entered.notified().await;
    client.send("5\r\nbcdef\r\n").await;
    assert_eq!(client.read_to_close().await.unwrap(), "");
    drop(client);
    stage.ends(&[EventKind::BodyTooLarge]).await;
}
