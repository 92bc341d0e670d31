//! What happens to one request, and leaves the others alone.

use ostler_http::{BodyBound, EventKind, Http2Config, Phase, SendSite, ServerConfig, WriteBound};
use ostler_testing::http2::{Http2, frame, headers};

use super::{SHORT, Stage};

const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/upload")];

pub(super) const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// The connection still serves; then its client leaves, and nothing but that is told.
pub(super) async fn goes_on(mut stage: Stage, mut client: Http2) {
    client.get(101, "/after").await;
    assert_eq!(client.whole(101).await, 200);
    drop(client);
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_500() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/panic").await;
    assert_eq!(client.status(1).await, 500);
    assert_eq!(stage.told().await, EventKind::HandlerPanicked { message: "of a handler".to_owned() });
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_request_taken_back_while_it_is_handled_is_told() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hold").await;
    stage.entered.notified().await;
    client.frame(frame::RST_STREAM, 0, 1, &CANCEL).await;
    assert_eq!(stage.told().await, EventKind::ClientDisconnected { phase: Phase::Handler });
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_response_taken_back_under_way_is_told_with_its_site() {
    for (path, window, expected) in [
        ("/stream", 65_535, SendSite::SendChunk),
        ("/large", 100, SendSite::SendBody),
        ("/chunk", 20, SendSite::SendChunk),
        ("/some", 100, SendSite::SendBody),
    ] {
        let mut stage = Stage::new().await;
        let mut client = Http2::connect(stage.address()).await;
        client.begin(&[(4, window)]).await;
        client.get(1, path).await;
        client.wait_for(|it| it.kind == frame::DATA).await;
        client.frame(frame::RST_STREAM, 0, 1, &CANCEL).await;
        let told = stage.told().await;
        assert!(matches!(told, EventKind::SendFailed { site, .. } if site == expected), "{told:?}");
        goes_on(stage, client).await;
    }
}

#[tokio::test]
async fn a_request_body_taken_back_is_told() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.send(headers(1, frame::END_HEADERS, &POST)).await;
    client.frame(frame::DATA, 0, 1, b"abc").await;
    client.frame(frame::PING, 0, 0, &[1; 8]).await;
    client.wait_for(|it| it.kind == frame::PING).await;
    client.frame(frame::RST_STREAM, 0, 1, &CANCEL).await;
    let told = stage.told().await;
    assert!(matches!(told, EventKind::BodyReadFailed { .. }), "{told:?}");
    goes_on(stage, client).await;
}

#[tokio::test]
async fn trailers_of_one_field_are_no_431() {
    let stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    // The second time the name is in the table, as the codec's own status is.
    for stream in [1, 3] {
        client.get(stream, "/trailers").await;
        assert_eq!(client.whole(stream).await, 200);
    }
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    for (stream, path) in [(1, "/hello"), (3, "/large"), (5, "/stream"), (7, "/empty")] {
        let fields = [(":method", "HEAD"), (":scheme", "http"), (":authority", "x"), (":path", path)];
        client.send(headers(stream, frame::END_HEADERS | frame::END_STREAM, &fields)).await;
        let head = client.wait_for(|it| it.stream == stream).await;
        assert_eq!((head.kind, head.status()), (frame::HEADERS, 200), "{path}");
        assert_ne!(head.flags & frame::END_STREAM, 0, "{path}");
    }
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_request_body_that_does_not_come_is_answered_408() {
    let mut stage = Stage::with(ServerConfig { body_timeout: Some(SHORT), ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    client.send(headers(1, frame::END_HEADERS, &POST)).await;
    assert_eq!(client.status(1).await, 408);
    assert_eq!(stage.told().await, EventKind::BodyReadDeadlineExceeded { bound: BodyBound::Total });
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_request_body_larger_than_allowed_is_answered_413() {
    let mut stage = Stage::with(ServerConfig { max_body_size: Some(4), ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    client.send(headers(1, frame::END_HEADERS, &POST)).await;
    client.frame(frame::DATA, 0, 1, b"12345").await;
    assert_eq!(client.status(1).await, 413);
    assert_eq!(stage.told().await, EventKind::BodyTooLarge);
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_a_response_is_reset() {
    let mut stage = Stage::with(ServerConfig { write_timeout: Some(SHORT), ..ServerConfig::default() }).await;
    let mut client = Http2::connect(stage.address()).await;
    client.begin(&[(4, 0)]).await;
    client.get(1, "/large").await;
    client.wait_for(|it| it.kind == frame::RST_STREAM && it.stream == 1).await;
    assert_eq!(stage.told().await, EventKind::WriteStalled { bound: WriteBound::Progress });
    drop(client);
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn more_fields_than_allowed_are_answered_431() {
    let mut stage = Stage::with(ServerConfig { max_headers: 8, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    let names: Vec<_> = (0..9).map(|number| format!("x-{number}")).collect();
    let mut fields = vec![(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/")];
    fields.extend(names.iter().map(|name| (name.as_str(), "1")));
    client.send(headers(1, frame::END_HEADERS | frame::END_STREAM, &fields)).await;
    assert_eq!(client.status(1).await, 431);
    assert_eq!(stage.told().await, EventKind::HeadersTooLarge);
    goes_on(stage, client).await;
}

#[tokio::test]
async fn a_connection_lost_under_a_response_tells_of_both() {
    let http2 = Http2Config::default();
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/stream").await;
    client.wait_for(|it| it.kind == frame::DATA).await;
    stage.entered.notified().await;
    client.reset_on_drop();
    drop(client);
    let told = stage.told().await;
    assert!(matches!(told, EventKind::SendFailed { site: SendSite::SendChunk, .. }), "{told:?}");
    assert_eq!(stage.told().await, EventKind::ClientDisconnected { phase: Phase::Body });
    stage.close().await;
}

#[tokio::test]
async fn a_handler_that_fails_is_told_and_its_stream_reset() {
    for (path, message) in [("/fail", "of a handler"), ("/broken", "of a body")] {
        let mut stage = Stage::new().await;
        let mut client = Http2::start(stage.address()).await;
        client.get(1, path).await;
        let reset = client.wait_for(|it| it.kind == frame::RST_STREAM && it.stream == 1).await;
        assert_eq!(reset.number(0), 2, "{path}");
        assert_eq!(stage.told().await, EventKind::HandlerFailed { message: message.to_owned() });
        goes_on(stage, client).await;
    }
}

/// A client that does not read, so that the socket takes no more; and its last stream.
async fn blocked(stage: &mut Stage) -> (Http2, u32) {
    const WIDE: u32 = 1 << 30;
    let mut client = Http2::connect(stage.address()).await;
    client.begin(&[(4, WIDE)]).await;
    client.frame(frame::WINDOW_UPDATE, 0, 0, &WIDE.to_be_bytes()).await;
    for stream in (1..80).step_by(2) {
        client.get(stream, "/large").await;
    }
    for stream in (101..).step_by(2) {
        client.get(stream, "/stream").await;
        stage.entered.notified().await;
        client.frame(frame::RST_STREAM, 0, stream, &CANCEL).await;
        match stage.told().await {
            EventKind::SendFailed { site: SendSite::SendResponse, .. } => return (client, stream),
            EventKind::SendFailed { site: SendSite::SendChunk, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    unreachable!("the socket takes everything")
}

#[tokio::test]
async fn a_response_taken_back_before_its_head_is_sent_is_told_with_that_site() {
    let mut stage = Stage::new().await;
    let (_client, _) = blocked(&mut stage).await;
    assert_eq!(stage.server.connections(), 1, "only that stream has ended");
}

#[tokio::test]
async fn a_whole_response_taken_back_before_its_head_is_sent_confuses_no_other() {
    let mut stage = Stage::new().await;
    let (mut client, last) = blocked(&mut stage).await;
    let served = stage.server.served();
    client.get(last + 2, "/hello").await;
    while stage.server.served() == served {
        tokio::task::yield_now().await;
    }
    client.frame(frame::RST_STREAM, 0, last + 2, &CANCEL).await;
    let told = stage.told().await;
    assert!(matches!(told, EventKind::SendFailed { site: SendSite::SendResponse, .. }), "{told:?}");
    // Its answer comes behind all that was held up.
    client.frame(frame::PING, 0, 0, &[7; 8]).await;
    client.wait_for(|it| it.kind == frame::PING && it.payload == [7; 8]).await;
    client.get(last + 4, "/stream").await;
    client.wait_for(|it| it.kind == frame::DATA && it.stream == last + 4).await;
    client.frame(frame::RST_STREAM, 0, last + 4, &CANCEL).await;
    let told = stage.told().await;
    assert!(matches!(told, EventKind::SendFailed { site: SendSite::SendChunk, .. }), "{told:?}");
    client.get(last + 6, "/stream").await;
    client.wait_for(|it| it.kind == frame::DATA && it.stream == last + 6).await;
    client.frame(frame::RST_STREAM, 0, last + 6, &CANCEL).await;
    let told = stage.told().await;
    assert!(matches!(told, EventKind::SendFailed { site: SendSite::SendChunk, .. }), "{told:?}");
}
