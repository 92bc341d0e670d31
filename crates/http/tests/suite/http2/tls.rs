//! TLS listeners.

use ostler_http::{EventKind, Protocol, ServerConfig};
use ostler_scope::Deadline;
use ostler_testing::http2::{Http2, frame};
use ostler_testing::{Client, Encrypted, PATIENCE, SelfSigned};
use ostler_tls::{CertificateFiles, Certificates, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SHORT, Stage};

async fn stage(config: ServerConfig) -> Stage {
    let made = SelfSigned::new(&["a.localhost"]);
    let files = CertificateFiles { cert: made.cert.clone(), key: made.key.clone() };
    let tls = Some(Tls::new(Certificates::load(&[files]).unwrap()));
    Stage::with(ServerConfig { tls, ..config }).await
}

#[tokio::test]
async fn a_client_that_offers_http_2_gets_it() {
    let mut stage = stage(ServerConfig::default()).await;
    let encrypted = Encrypted::connect(stage.address(), "a.localhost", &["h2", "http/1.1"]).await.unwrap();
    let mut client = Http2::over(encrypted.stream);
    client.begin(&[]).await;
    client.get(1, "/hello").await;
    assert_eq!(client.status(1).await, 200);
    assert_eq!(client.wait_for(|it| it.kind == frame::DATA).await.payload, b"/hello");
    drop(client);
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_does_not_offer_http_2_is_served_http_1() {
    for offered in [&["http/1.1"][..], &[]] {
        let mut stage = stage(ServerConfig::default()).await;
        let mut client = Encrypted::connect(stage.address(), "a.localhost", offered).await.unwrap().stream;
        client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("/a"), "{answer}");
        let event = stage.event().await;
        assert_eq!((event.protocol, event.kind), (Protocol::Http1, EventKind::ConnectionClosed));
        stage.close().await;
    }
}

#[tokio::test]
async fn a_handshake_that_stands_still_is_closed_by_the_deadline_of_a_head() {
    let mut stage = stage(ServerConfig { header_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = Http2::connect(stage.address()).await;
    // A handshake record of 512 bytes, and one of them.
    client.send([22, 3, 1, 2, 0, 1]).await;
    assert_eq!(client.read_to_close().await.unwrap(), []);
    assert_eq!(stage.event().await.kind, EventKind::HeaderTimeout);
    stage.close().await;
}

#[tokio::test]
async fn a_silent_client_is_idle_and_holds_no_drain() {
    let mut stage = stage(ServerConfig { idle_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = Client::connect(stage.address()).await;
    assert_eq!(client.read_to_close().await.unwrap(), "");
    assert_eq!(stage.event().await.kind, EventKind::IdleTimeout);
    stage.close().await;

    let mut stage = self::stage(ServerConfig::default()).await;
    let mut client = Client::connect(stage.address()).await;
    while stage.server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    drop(stage.server.drain(Deadline::after(PATIENCE)).await);
    assert_eq!(client.read_to_close().await.unwrap(), "");
    assert_eq!(stage.event().await.kind, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn what_is_no_tls_is_refused_and_told() {
    let mut stage = stage(ServerConfig::default()).await;
    let mut client = Client::connect(stage.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut told = stage.event().await.kind;
    assert_eq!(told.name(), "handshake_failed", "{told:?}");
    drop(client);
    // A client that leaves in the middle.
    let mut client = Client::connect(stage.address()).await;
    client.send([22, 3, 1, 2, 0, 1]).await;
    drop(client);
    told = stage.event().await.kind;
    assert_eq!(told.name(), "client_disconnected", "{told:?}");
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_without_a_word_has_closed_an_idle_connection() {
    let mut stage = stage(ServerConfig::default()).await;
    drop(Client::connect(stage.address()).await);
    assert_eq!(stage.event().await.kind, EventKind::ConnectionClosed);
    stage.close().await;
}

/// An answer in the clear would be no answer to who is about to shake hands.
#[tokio::test]
async fn one_connection_too_many_is_closed_without_a_word() {
    let mut stage = stage(ServerConfig { max_connections: 1, ..ServerConfig::default() }).await;
    let first = Client::connect(stage.address()).await;
    while stage.server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let mut second = Client::connect(stage.address()).await;
    assert_eq!(second.read_to_close().await.unwrap(), "");
    assert_eq!(stage.event().await.kind, EventKind::ConnectionLimitReached { limit: 1 });
    drop(first);
    assert_eq!(stage.event().await.kind, EventKind::ConnectionClosed);
    stage.close().await;
}
