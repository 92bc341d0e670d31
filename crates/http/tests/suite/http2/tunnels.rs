//! CONNECT.

use ostler_http::{EventKind, Phase};
use ostler_testing::http2::{Http2, frame, headers};

use super::Stage;
use super::exchanges::{CANCEL, goes_on};

fn connect(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
    ];
    headers(stream, frame::END_HEADERS, &fields)
}

#[tokio::test]
async fn a_tunnel_that_nobody_takes_over_is_told() {
    for path in ["/empty", "/looked-at"] {
        let mut stage = Stage::new().await;
        let mut client = Http2::start(stage.address()).await;
        client.send(connect(1, path)).await;
        assert_eq!(client.status(1).await, 200);
        assert_eq!(stage.told().await, EventKind::UpgradeFailed, "{path}");
        stage.release.notify_one();
        goes_on(stage, client).await;
    }
}

#[tokio::test]
async fn a_tunnel_that_its_client_resets_is_no_response_that_failed() {
    let stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.send(connect(1, "/tunnel")).await;
    assert_eq!(client.status(1).await, 200);
    stage.entered.notified().await;
    client.frame(frame::RST_STREAM, 0, 1, &CANCEL).await;
    stage.entered.notified().await;
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_connect_with_a_body_is_told_as_what_ends_the_connection() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hold").await;
    stage.entered.notified().await;
    let fields = [(":method", "CONNECT"), (":authority", "x"), ("content-length", "5")];
    client.send(headers(3, frame::END_HEADERS, &fields)).await;
    let _ = client.read_to_close().await;
    // What it cut.
    assert_eq!(stage.told().await, EventKind::ClientDisconnected { phase: Phase::Handler });
    let told = stage.told().await;
    assert!(matches!(told, EventKind::RequestParseError { .. }), "{told:?}");
    stage.close().await;
}
