//! Requests and what can happen to them.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ostler_http::{EventKind, Http2Config, Phase, ServerConfig};
use ostler_net::Stream;
use ostler_testing::http2::{Http2, frame, get, headers};

use super::Stage;

#[tokio::test]
async fn a_real_client_gets_several_answers_at_once() {
    let mut stage = Stage::new().await;
    let stream = Stream::connect(stage.address()).await.unwrap();
    let (sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str, body: &'static str| {
        let mut sender = sender.clone();
        let request = Request::post(format!("http://x{path}")).body(Full::from(body)).unwrap();
        async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            response.into_body().collect().await.unwrap().to_bytes()
        }
    };
    let held = tokio::spawn(request("/hold", ""));
    stage.entered.notified().await;
    assert_eq!(stage.server.phases().0[&Phase::Handler], 1);
    assert_eq!(request("/upload", "12345").await, "5 bytes and 0 trailers");
    assert_eq!(request("/large", "").await.len(), 1 << 20);
    stage.release.notify_one();
    assert_eq!(held.await.unwrap(), "held");
    assert_eq!((stage.server.connections(), stage.server.served()), (1, 3));
    drop(sender);
    connection.await.unwrap().unwrap();
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_head_tells_the_length_of_the_body_it_leaves_out() {
    let mut stage = Stage::new().await;
    let stream = Stream::connect(stage.address()).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (path, expected) in [("/hello", Some("6")), ("/stream", None)] {
        let request = Request::head(format!("http://x{path}")).body(Full::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let length = response.headers().get("content-length").map(|length| length.to_str().unwrap());
        assert_eq!(length, expected, "{path}");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn trailers_of_a_request_arrive() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/upload")];
    client.send(headers(1, frame::END_HEADERS, &fields)).await;
    client.frame(frame::DATA, 0, 1, b"abc").await;
    client.send(headers(1, frame::END_HEADERS | frame::END_STREAM, &[("checksum", "1")])).await;
    assert_eq!(client.status(1).await, 200);
    assert_eq!(client.wait_for(|it| it.kind == frame::DATA).await.payload, b"3 bytes and 1 trailers");
    drop(client);
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_its_request_is_handled_has_disconnected() {
    for reset in [false, true] {
        let mut stage = Stage::new().await;
        let mut client = Http2::start(stage.address()).await;
        client.get(1, "/hold").await;
        stage.entered.notified().await;
        if reset {
            client.reset_on_drop();
        }
        drop(client);
        assert_eq!(stage.told().await, EventKind::ClientDisconnected { phase: Phase::Handler }, "{reset}");
        stage.close().await;
    }
}

#[tokio::test]
async fn a_malformed_request_is_reset_alone() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x")];
    client.send(headers(1, frame::END_HEADERS | frame::END_STREAM, &fields)).await;
    let reset = client.wait_for(|it| it.kind == frame::RST_STREAM).await;
    assert_eq!((reset.stream, reset.number(0)), (1, 1));
    assert_eq!(stage.told().await, EventKind::RequestParseError { reason: "protocol error".to_owned() });
    client.get(3, "/after").await;
    assert_eq!(client.whole(3).await, 200);
    drop(client);
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn one_request_more_than_allowed_at_once_is_refused_and_may_come_again() {
    let http2 = Http2Config { max_streams: 2, ..Http2Config::default() };
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    for stream in [1, 3] {
        client.get(stream, "/hold").await;
        stage.entered.notified().await;
    }
    client.get(5, "/hello").await;
    let refused = client.wait_for(|it| it.kind == frame::RST_STREAM).await;
    assert_eq!((refused.stream, refused.number(0)), (5, 7));
    assert_eq!(stage.told().await, EventKind::ConnectionLimitReached { limit: 2 });
    stage.release.notify_one();
    client.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    client.get(7, "/hello").await;
    assert_eq!(client.whole(7).await, 200);
    drop(client);
    assert_eq!(stage.told().await, EventKind::ClientDisconnected { phase: Phase::Handler });
    stage.close().await;
}

#[tokio::test]
async fn a_head_larger_than_allowed_is_answered_431_alone() {
    let mut stage = Stage::with(ServerConfig { max_head_size: 16 * 1024, ..ServerConfig::default() }).await;
    let long = "x".repeat(9 * 1024);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "x"),
        ("a", &long),
        ("b", &long),
    ];
    for end in [frame::END_STREAM, 0] {
        let mut client = Http2::start(stage.address()).await;
        let mut block = headers(1, end, &fields);
        // A frame has 16 KiB at most.
        let rest = block.split_off(9 + 16_000);
        block[..3].copy_from_slice(&16_000_u32.to_be_bytes()[1..]);
        client.send(block).await;
        client.frame(frame::CONTINUATION, frame::END_HEADERS, 1, &rest).await;
        assert_eq!(client.status(1).await, 431);
        assert_eq!(stage.told().await, EventKind::HeadersTooLarge);
        client.get(3, "/after").await;
        assert_eq!(client.whole(3).await, 200);
        drop(client);
        assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    }
    stage.close().await;
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    // DATA on a stream that was never opened.
    client.frame(frame::DATA, 0, 1, b"x").await;
    let frames = client.read_to_close().await.unwrap();
    let goaway = frames.iter().find(|it| it.kind == frame::GOAWAY).unwrap();
    assert_eq!(goaway.number(4), 1);
    assert_eq!(stage.told().await, EventKind::RequestParseError { reason: "protocol error".to_owned() });
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_ping_is_gone() {
    let http2 =
        Http2Config { ping_interval: super::SHORT, ping_timeout: super::SHORT, ..Http2Config::default() };
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    client.send(get(1, "/hold")).await;
    client.read_to_close().await.unwrap();
    assert_eq!(stage.told().await, EventKind::ClientDisconnected { phase: Phase::Handler });
    stage.close().await;
}
