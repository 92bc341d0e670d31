//! HTTP/2 in, HTTP/1.1 out.

use data_encoding::BASE64;
use ostler_scope::Deadline;
use ostler_switchboard::SwitchboardConfig;
use ostler_testing::http2::{Http2, frame, headers};
use ostler_testing::{Backend, PATIENCE, Peer, SelfSigned};
use ostler_tls::{CertificateFiles, Certificates, Tls};
use sha1::{Digest, Sha1};
use tokio::process::Command;

use crate::stage::{Cast, Setting, Stage};

const WHOLE: u8 = frame::END_STREAM | frame::END_HEADERS;

/// A GET for `shop.localhost` with some more fields.
fn get<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":authority", "shop.localhost"), (":path", "/a?b")];
    [&fields[..], more].concat()
}

/// What a server must answer to the key in `head`.
fn accept(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let salted = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&Sha1::digest(salted.as_bytes()))
}

async fn open_websocket(client: &mut Http2) {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "shop.localhost"),
        (":path", "/chat"),
        ("sec-websocket-version", "13"),
    ];
    client.send(headers(1, frame::END_HEADERS, &fields)).await;
}

/// A server that takes a WebSocket over and says back what it hears.
async fn echo(_number: usize, mut peer: Peer) {
    let head = peer.head().await.unwrap();
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("upgrade: websocket\r\n") && head.contains("sec-websocket-version: 13\r\n"),
        "{head}"
    );
    let accept = accept(&head);
    peer.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
    .await;
    while let Some(byte) = peer.read_bytes(1).await {
        peer.send(byte).await;
    }
}

#[tokio::test]
async fn a_server_is_asked_in_http_1_1() {
    let (heard, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let server = Backend::start(move |_number, mut peer| {
        let heard = heard.clone();
        async move {
            while let Some(head) = peer.head().await {
                heard.send(head).unwrap();
                peer.send(
                    "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n",
                )
                .await;
            }
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("shop.localhost", &server.address)).await;
    let mut client = Http2::start(stage.switchboard.address()).await;
    client.send(headers(1, WHOLE, &get(&[("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]))).await;
    assert_eq!(client.status(1).await, 204);
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    for line in [
        "host: shop.localhost",
        "cookie: a=1; b=2",
        "te: trailers",
        "via: 2.0 ostler",
        "x-forwarded-proto: http",
    ] {
        assert_eq!(head.lines().filter(|it| *it == line).count(), 1, "{line} in {head}");
    }
    // A Host that says something else is refused, and that request alone.
    client.send(headers(3, WHOLE, &get(&[("host", "other.localhost")]))).await;
    assert_eq!(client.status(3).await, 400);
    client.send(headers(5, WHOLE, &get(&[("host", "shop.localhost")]))).await;
    assert_eq!(client.status(5).await, 204);
    assert_eq!(heads.recv().await.unwrap().lines().filter(|line| line.starts_with("host:")).count(), 1);
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn a_head_that_is_answered_by_a_problem_gets_no_body() {
    let stage = Stage::new(Cast::default()).await;
    let mut client = Http2::start(stage.switchboard.address()).await;
    let fields =
        [(":method", "HEAD"), (":scheme", "http"), (":authority", "nobody.localhost"), (":path", "/")];
    client.send(headers(1, WHOLE, &fields)).await;
    let head = client.wait_for(|it| it.stream == 1).await;
    assert_eq!((head.kind, head.status()), (frame::HEADERS, 502));
    assert_ne!(head.flags & frame::END_STREAM, 0);
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn an_upload_goes_on_as_it_comes_and_its_trailers_and_those_of_the_answer_too() {
    let (heard, mut parts) = tokio::sync::mpsc::unbounded_channel();
    let server = Backend::start(move |_number, mut peer| {
        let heard = heard.clone();
        async move {
            for end in ["\r\n\r\n", "one\r\n", "two\r\n", "\r\n\r\n"] {
                let Some(part) = peer.read_to(end).await else { return };
                heard.send(part.to_lowercase()).unwrap();
            }
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-down\r\n\r\n2\r\nok\r\n")
                .await;
            peer.send("0\r\nx-down: 2\r\n\r\n").await;
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("shop.localhost", &server.address)).await;
    let mut client = Http2::start(stage.switchboard.address()).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "shop.localhost"),
        (":path", "/up"),
        ("te", "trailers"),
        ("trailer", "x-up"),
    ];
    client.send(headers(1, frame::END_HEADERS, &fields)).await;
    let head = parts.recv().await.unwrap();
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
    // Each piece is with the server before the client sends the next.
    for piece in ["one", "two"] {
        client.frame(frame::DATA, 0, 1, piece.as_bytes()).await;
        assert_eq!(parts.recv().await.unwrap(), format!("3\r\n{piece}\r\n"));
    }
    client.send(headers(1, WHOLE, &[("x-up", "1")])).await;
    assert_eq!(parts.recv().await.unwrap(), "0\r\nx-up: 1\r\n\r\n");
    assert_eq!(client.status(1).await, 200);
    assert_eq!(client.wait_for(|it| it.kind == frame::DATA).await.payload, b"ok");
    let trailers = client.wait_for(|it| it.kind == frame::HEADERS).await;
    assert_ne!(trailers.flags & frame::END_STREAM, 0);
    // "2" in the code of RFC 7541, appendix B.
    assert!(trailers.payload.ends_with(b"\x81\x17"), "{:x?}", trailers.payload);
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_is_taken_back_from_its_server() {
    let held = Backend::holding("HTTP/1.1 204 No Content\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("shop.localhost", &held.backend.address)).await;
    let mut client = Http2::start(stage.switchboard.address()).await;
    client.send(headers(1, WHOLE, &get(&[]))).await;
    held.arrived.notified().await;
    stage.until_leases("shop.localhost", 1).await;
    client.frame(frame::RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
    stage.until_leases("shop.localhost", 0).await;
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn a_websocket_by_extended_connect_is_an_upgrade_to_its_server_and_is_told_1001_in_a_drain() {
    let server = Backend::start(echo).await;
    let stage = Stage::new(Cast::default().with("shop.localhost", &server.address)).await;
    let mut client = Http2::connect(stage.switchboard.address()).await;
    client.send(ostler_testing::http2::PREFACE).await;
    client.frame(frame::SETTINGS, 0, 0, &[]).await;
    let settings = client.wait_for(|it| it.kind == frame::SETTINGS && it.flags == 0).await;
    assert!(settings.payload.chunks(6).any(|it| it == [0, 8, 0, 0, 0, 1]), "{settings:?}");
    client.frame(frame::SETTINGS, frame::ACK, 0, &[]).await;
    open_websocket(&mut client).await;
    assert_eq!(client.status(1).await, 200);
    stage.until_leases("shop.localhost", 1).await;
    client.frame(frame::DATA, 0, 1, &[0x82, 0x81, 0, 0, 0, 0, b'x']).await;
    let mut echoed = Vec::new();
    while echoed.len() < 7 {
        echoed.extend(client.wait_for(|it| it.kind == frame::DATA).await.payload);
    }
    assert_eq!(echoed, [0x82, 0x81, 0, 0, 0, 0, b'x']);
    let switchboard = stage.switchboard.clone();
    let draining = tokio::spawn(async move { switchboard.drain(Deadline::after(PATIENCE)).await });
    let goodbye = client.wait_for(|it| it.kind == frame::DATA && it.stream == 1).await;
    assert_eq!(goodbye.payload, [0x88, 0x02, 0x03, 0xe9]);
    client.frame(frame::DATA, frame::END_STREAM, 1, &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).await;
    stage.until_leases("shop.localhost", 0).await;
    drop(client);
    drop(draining.await.unwrap());
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_answers_another_key_opens_no_websocket() {
    let server = Backend::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    .await;
    let stage = Stage::new(Cast::default().with("shop.localhost", &server.address)).await;
    let mut client = Http2::start(stage.switchboard.address()).await;
    open_websocket(&mut client).await;
    assert_eq!(client.status(1).await, 502);
    drop(client);
    stage.end().await;
}

#[tokio::test]
async fn curl_speaks_http_2_in_the_clear_and_over_tls() {
    let curl = Command::new("curl").arg("--version").output().await;
    if !curl.is_ok_and(|curl| String::from_utf8_lossy(&curl.stdout).contains("HTTP2")) {
        eprintln!("there is no curl with HTTP/2 here");
        return;
    }
    let server = Backend::start(|_number, mut peer| async move {
        while let Some(head) = peer.head().await {
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len())).await;
        }
    })
    .await;
    let made = SelfSigned::new(&["shop.localhost"]);
    let files = CertificateFiles { cert: made.cert.clone(), key: made.key.clone() };
    let tls = Tls::new(Certificates::load(&[files]).unwrap());
    for (tls, option, scheme) in [(None, "--http2-prior-knowledge", "http"), (Some(tls), "--http2", "https")]
    {
        let mut switchboard = SwitchboardConfig::default();
        switchboard.server.tls = tls;
        let cast = Cast::default().with("shop.localhost", &server.address);
        let stage = Stage::set(cast, Setting { switchboard, ..Setting::default() }).await;
        let port = stage.switchboard.address().port().unwrap();
        let output = Command::new("curl")
            .args(["--silent", "--insecure", option, "--write-out", "version %{http_version}"])
            .args(["--resolve", &format!("shop.localhost:{port}:127.0.0.1")])
            .arg(format!("{scheme}://shop.localhost:{port}/a"))
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("version 2"), "{text}");
        assert!(text.contains(&format!("x-forwarded-proto: {scheme}\r\n")), "{text}");
        assert!(text.contains(&format!("host: shop.localhost:{port}\r\n")), "{text}");
        stage.end().await;
    }
}
