//! Requests and answers that are read wrong easily, as they go over the wire.

use ostler_switchboard::{Naming, SwitchboardConfig};

use crate::stage::{Cast, Setting, Stage, showing};
use ostler_testing::{Backend, Client};

/// A stage on which whatever has no rule is served at `backend`.
async fn serving_the_rest(backend: &Backend) -> Stage {
    let naming = Naming { default_host: Some("default".to_owned()), ..Naming::default() };
    let switchboard = SwitchboardConfig { naming, ..SwitchboardConfig::default() };
    let fixed = vec![("default", backend.address.clone())];
    Stage::set(Cast::default(), Setting { switchboard, fixed, ..Setting::default() }).await
}

async fn refused(stage: &Stage, request: &str) {
    let mut client = stage.client().await;
    client.send(request).await;
    let answer = client.read_to("\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?} was answered {answer:?}");
}

#[tokio::test]
async fn a_chunked_body_of_a_get_is_not_lost() {
    let (backend, mut shown) = showing("0\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    client.read_to("ok").await;
    let request = shown.recv().await.unwrap();
    assert!(request.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{request}");
    assert!(request.contains("\r\ntransfer-encoding: chunked\r\n"), "{request}");
    stage.end().await;
}

#[tokio::test]
async fn a_host_that_is_none_is_refused_even_where_every_host_is_served() {
    let (backend, _shown) = showing("\r\n\r\n").await;
    let stage = serving_the_rest(&backend).await;
    for host in ["x\";for=6.6.6.6;host=\"y", "a\\b", "user@a", "a, b", "a b", "a:b"] {
        refused(&stage, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    }
    refused(&stage, "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(backend.connections(), 0);
    stage.end().await;
}

#[tokio::test]
async fn an_international_host_is_written_in_letters_that_every_server_reads() {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("xn--bcher-kva.localhost", &backend.address)).await;
    for (host, written) in [
        ("bücher.localhost", "xn--bcher-kva.localhost"),
        ("BÜCHER.localhost.:8000", "xn--bcher-kva.localhost:8000"),
        ("bücher.localhost:", "xn--bcher-kva.localhost"),
        ("xn--bcher-kva.localhost:8000", "xn--bcher-kva.localhost:8000"),
    ] {
        let mut client = stage.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        client.read_to("ok").await;
        let head = shown.recv().await.unwrap();
        for field in [
            format!("\r\nhost: {written}\r\n"),
            format!("\r\nx-forwarded-host: {written}\r\n"),
            format!(";host=\"{written}\"\r\n"),
        ] {
            assert!(head.contains(&field), "{host}: {field:?} is not in {head:?}");
        }
    }
    for host in ["bücher..localhost", "bücher localhost", "[ü]", "bücher.localhost:x", "\u{fffd}"] {
        refused(&stage, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_target_of_a_host_alone_is_for_connect() {
    let (backend, _shown) = showing("\r\n\r\n").await;
    let stage = serving_the_rest(&backend).await;
    refused(&stage, "GET b.localhost:80 HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    refused(&stage, "GET b.localhost HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    stage.end().await;
}

#[tokio::test]
async fn a_server_gets_a_host_field_even_when_the_client_had_none() {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let stage = serving_the_rest(&backend).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    client.read_to("ok").await;
    let request = shown.recv().await.unwrap();
    assert!(request.contains("\r\nhost: \r\n"), "{request}");
    assert!(request.contains("\r\nforwarded: for=127.0.0.1;proto=http\r\n"), "{request}");
    stage.end().await;
}

#[tokio::test]
async fn the_request_id_cannot_be_taken_away_by_naming_it_hop_by_hop() {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: x-request-id, traceparent, keep-alive\r\n\r\n")
        .await;
    client.read_to("ok").await;
    let request = shown.recv().await.unwrap();
    assert!(request.contains("\r\nx-request-id: ") && request.contains("\r\ntraceparent: "), "{request}");
    stage.end().await;
}

#[tokio::test]
async fn http_2_in_clear_text_is_not_tunnelled() {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for upgrade in ["h2c", "websocket, H2C"] {
        client
            .send(&format!(
                "GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            ))
            .await;
        client.read_to("ok").await;
        let request = shown.recv().await.unwrap();
        assert!(!request.contains("upgrade") && !request.contains("http2-settings"), "{request}");
    }
    stage.end().await;
}

#[tokio::test]
async fn an_http_1_0_client_cannot_ask_for_an_upgrade() {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.0\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.read_to("ok").await;
    let request = shown.recv().await.unwrap();
    assert!(!request.contains("upgrade"), "{request}");
    stage.end().await;
}

#[tokio::test]
async fn a_broken_request_body_is_the_clients_fault() {
    let backend = Backend::start(|_number, mut peer| async move { peer.closed().await }).await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
        )
        .await;
    let answer = client.read_to("}\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

async fn exchange(client: &mut Client, method: &str) -> String {
    client.send(&format!("{method} / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")).await;
    client.read_to("\r\n\r\n").await
}

#[tokio::test]
async fn an_answer_without_a_body_is_framed_as_one() {
    let backend = Backend::start(|number, mut peer| async move {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        ] {
            assert_eq!(number, 0, "one connection serves them all");
            peer.head().await;
            peer.send(answer).await;
        }
        peer.closed().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    assert!(exchange(&mut client, "HEAD").await.contains("\r\ncontent-length: 9\r\n"));
    assert!(exchange(&mut client, "HEAD").await.starts_with("HTTP/1.1 200 "));
    let none = exchange(&mut client, "GET").await;
    assert!(none.starts_with("HTTP/1.1 204 ") && !none.contains("content-length"), "{none}");
    assert!(exchange(&mut client, "GET").await.starts_with("HTTP/1.1 304 "));
    stage.end().await;
}

#[tokio::test]
async fn what_a_server_says_before_its_answer_does_not_harm_it() {
    let backend = Backend::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 7\r\n\r\n\
         HTTP/1.1 200 OK\r\nX-Final: 1\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
        let answer = client.read_to("ok").await.to_lowercase();
        assert!(
            answer.starts_with("http/1.1 200 ok\r\n") && answer.contains("\r\nx-final: 1\r\n"),
            "{answer}"
        );
        // The server's HTTP library has no means to send a response before the response.
        assert!(!answer.contains("link"), "{answer}");
    }
    assert_eq!(backend.connections(), 1);
    stage.end().await;
}
