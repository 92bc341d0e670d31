//! The first bytes of a connection.

use ostler_http::{EventKind, Protocol, ServerConfig};
use ostler_net::{Address, Listener};
use ostler_testing::Client;
use ostler_testing::http2::{Http2, PREFACE, frame, get, headers};

use super::{SHORT, Stage};

#[tokio::test]
async fn a_preface_in_pieces_is_http_2() {
    let mut stage = Stage::new().await;
    let mut client = Http2::connect(stage.address()).await;
    for byte in PREFACE {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    client.frame(frame::SETTINGS, 0, 0, &[]).await;
    client.get(1, "/hello").await;
    assert_eq!(client.status(1).await, 200);
    assert_eq!(client.wait_for(|it| it.kind == frame::DATA).await.payload, b"/hello");
    drop(client);
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn what_begins_like_a_preface_may_still_be_http_1() {
    let mut stage = Stage::new().await;
    for method in ["POST", "PUT", "PRI"] {
        let mut client = Client::connect(stage.address()).await;
        let request = format!("{method} /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        for byte in request.bytes() {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
        assert!(client.read_to_close().await.unwrap().ends_with("\r\n\r\n/a"), "{method}");
        let event = stage.event().await;
        assert_eq!((event.protocol, event.kind), (Protocol::Http1, EventKind::ConnectionClosed));
    }
    stage.close().await;
}

#[tokio::test]
async fn a_first_request_longer_than_the_first_read_is_whole() {
    let mut stage = Stage::new().await;
    let mut client = Client::connect(stage.address()).await;
    let body = "b".repeat(100_000);
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head + &body).await;
    assert!(client.read_to_close().await.unwrap().ends_with("100000 bytes and 0 trailers"));
    assert_eq!(stage.event().await.kind, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn half_a_preface_is_closed_by_the_deadline_of_a_head() {
    for half in [1, 3, 16, PREFACE.len() - 1] {
        let mut stage = Stage::with(ServerConfig { header_timeout: SHORT, ..ServerConfig::default() }).await;
        let mut client = Http2::connect(stage.address()).await;
        client.send(&PREFACE[..half]).await;
        assert_eq!(client.read_to_close().await.unwrap(), []);
        assert_eq!(stage.event().await.kind, EventKind::HeaderTimeout, "{half}");
        stage.close().await;
    }
}

#[tokio::test]
async fn a_silent_client_is_closed_by_the_idle_timeout() {
    let mut stage = Stage::with(ServerConfig { idle_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = Http2::connect(stage.address()).await;
    assert_eq!(client.read_to_close().await.unwrap(), []);
    assert_eq!(stage.event().await.kind, EventKind::IdleTimeout);
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_ends_in_half_a_preface_has_disconnected() {
    let mut stage = Stage::new().await;
    let mut client = Http2::connect(stage.address()).await;
    client.send(&PREFACE[..10]).await;
    drop(client);
    let event = stage.event().await;
    assert_eq!(event.kind.name(), "client_disconnected", "{event:?}");
    stage.close().await;
}

#[tokio::test]
async fn what_is_never_finished_is_closed_by_the_deadline_of_a_head() {
    let settings = [0, 0, 0, frame::SETTINGS, 0, 0, 0, 0, 0];
    let unended = headers(1, frame::END_STREAM, &[(":method", "GET")]);
    for (name, sent) in [
        ("a preface alone", PREFACE.to_vec()),
        ("half of the settings", [PREFACE, &settings[..5]].concat()),
        ("a header block without its end", [PREFACE, &settings, &unended].concat()),
        ("half a head", [PREFACE, &settings, &get(1, "/")[..14]].concat()),
    ] {
        let mut stage = Stage::with(ServerConfig { header_timeout: SHORT, ..ServerConfig::default() }).await;
        let mut client = Http2::connect(stage.address()).await;
        client.send(sent).await;
        client.read_to_close().await.unwrap();
        assert_eq!(stage.told().await, EventKind::HeaderTimeout, "{name}");
        stage.close().await;
    }
}

#[tokio::test]
async fn pings_are_no_use_of_a_connection() {
    let config = ServerConfig { idle_timeout: SHORT, header_timeout: SHORT * 100, ..ServerConfig::default() };
    let mut stage = Stage::with(config).await;
    let mut client = Http2::start(stage.address()).await;
    // In halves: neither of them begins the time anew.
    let ping = [0, 0, 8, frame::PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut pinging = true;
    while pinging {
        for half in ping.chunks(9) {
            pinging = pinging && client.try_send(half).await.is_ok();
            tokio::time::sleep(SHORT / 20).await;
        }
    }
    assert_eq!(stage.told().await, EventKind::IdleTimeout);
    stage.close().await;
}

#[tokio::test]
async fn a_unix_socket_speaks_http_2_too() {
    let path = std::env::temp_dir().join(format!("ostler-http2-{}.sock", std::process::id()));
    let address = Address::Unix(path);
    let mut stage = Stage::on(Listener::bind(&address).await.unwrap(), ServerConfig::default()).await;
    let mut client = Http2::start(&address).await;
    assert_eq!(stage.event().await.kind, EventKind::PeerAddressUnavailable);
    client.get(1, "/hello").await;
    assert_eq!(client.whole(1).await, 200);
    drop(client);
    let end = stage.event().await;
    assert_eq!((end.kind, end.peer), (EventKind::ConnectionClosed, None));
    stage.close().await;
}
