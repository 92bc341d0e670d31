//! Ordinary requests: what passes, what is changed, what is refused.

use ostler_switchboard::{Naming, SwitchboardConfig};
use tokio::sync::mpsc;

use crate::stage::{Cast, OK, Setting, Stage};
use ostler_testing::Backend;

/// A backend that shows each request head it gets.
async fn showing() -> (Backend, mpsc::UnboundedReceiver<String>) {
    let (show, shown) = mpsc::unbounded_channel();
    let backend = Backend::start(move |_number, mut peer| {
        let show = show.clone();
        async move {
            while let Some(head) = peer.head().await {
                show.send(head).unwrap();
                peer.send(OK).await;
            }
        }
    })
    .await;
    (backend, shown)
}

#[tokio::test]
async fn the_first_request_starts_the_server_and_later_ones_reuse_its_connection() {
    let backend = Backend::answering(OK).await;
    let stage = Stage::new(Cast::default().with("shop.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: Shop.LOCALHOST.:8000\r\n\r\n").await;
        assert!(client.read_to("ok").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(stage.cast.started(), ["shop.localhost"]);
    assert_eq!(backend.connections(), 1);
    stage.until_leases("shop.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn hop_by_hop_fields_end_here_and_the_client_is_introduced() {
    let (backend, mut shown) = showing().await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send(
            "GET /path?query HTTP/1.1\r\nHost: a.localhost\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
             Keep-Alive: 5\r\nTE: trailers\r\nX-Forwarded-For: 6.6.6.6\r\nX-End: 2\r\n\r\n",
        )
        .await;
    client.read_to("ok").await;
    let head = shown.recv().await.unwrap().to_lowercase();
    let (line, fields) = head.split_once("\r\n").unwrap();
    assert_eq!(line, "get /path?query http/1.1");
    let mut names: Vec<_> = fields.lines().filter_map(|field| field.split_once(": ")).collect();
    names.sort_unstable();
    let ids: Vec<_> =
        names.extract_if(.., |(name, _)| matches!(*name, "traceparent" | "x-request-id")).collect();
    assert_eq!(
        names,
        [
            ("connection", "te"),
            ("forwarded", "for=127.0.0.1;proto=http;host=\"a.localhost\""),
            ("host", "a.localhost"),
            ("te", "trailers"),
            ("via", "1.1 ostler"),
            ("x-end", "2"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "a.localhost"),
            ("x-forwarded-proto", "http"),
        ]
    );
    assert!(ids[0].1.contains(ids[1].1), "the request id is the trace's: {ids:?}");
    stage.end().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_and_its_trailers_pass_both_ways() {
    let (show, mut shown) = mpsc::unbounded_channel();
    let backend = Backend::start(move |_number, mut peer| {
        let show = show.clone();
        async move {
            peer.head().await;
            show.send(peer.read_to("\r\n\r\n").await.unwrap()).unwrap();
            peer.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                 3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
            )
            .await;
            peer.head().await;
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\nTE: trailers\r\n\r\n\
             5\r\nhello\r\n0\r\nX-Up: 1\r\n\r\n",
        )
        .await;
    let request = shown.recv().await.unwrap().to_lowercase();
    assert_eq!(request, "5\r\nhello\r\n0\r\nx-up: 1\r\n\r\n");
    client.read_to("\r\n\r\n").await;
    assert_eq!(client.read_to("\r\n\r\n").await.to_lowercase(), "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n");
    stage.end().await;
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_when_the_server_takes_the_body() {
    let backend = Backend::start(|_number, mut peer| async move {
        let head = peer.head().await.unwrap().to_lowercase();
        assert!(!head.contains("expect"), "{head}");
        peer.read_to("hello").await;
        peer.send(OK).await;
        peer.head().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.read_to("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert!(client.read_to("ok").await.starts_with("HTTP/1.1 200 OK\r\n"));
    stage.end().await;
}

#[tokio::test]
async fn a_fixed_server_is_proxied_without_the_pool() {
    let backend = Backend::answering(OK).await;
    let fixed = vec![("old.localhost", backend.address.clone())];
    let stage = Stage::set(Cast::default(), Setting { fixed, ..Setting::default() }).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: old.localhost\r\n\r\n").await;
    client.read_to("ok").await;
    assert!(stage.cast.started().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn a_request_in_absolute_form_is_routed_by_its_target() {
    let (backend, mut shown) = showing().await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET http://a.localhost/x HTTP/1.1\r\nHost: other.localhost\r\n\r\n").await;
    client.read_to("ok").await;
    let head = shown.recv().await.unwrap();
    assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("\r\nhost: a.localhost\r\n"), "{head}");
    stage.end().await;
}

#[tokio::test]
async fn an_http_1_0_client_gets_an_answer_it_understands() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a.localhost\r\n\r\n").await;
    let answer = client.read_to_close().await.unwrap().to_lowercase();
    assert!(!answer.contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nabc"), "{answer}");
    stage.end().await;
}

#[tokio::test]
async fn a_server_is_named_by_first_label_then_by_header_then_by_default() {
    let backend = Backend::answering(OK).await;
    let naming = Naming {
        first_label: true,
        app_header: Some("x-app-name".parse().unwrap()),
        default_host: Some("default".to_owned()),
    };
    let switchboard = SwitchboardConfig { naming, ..SwitchboardConfig::default() };
    let fixed = ["shop", "cart", "default"].map(|host| (host, backend.address.clone())).to_vec();
    let stage = Stage::set(Cast::default(), Setting { switchboard, fixed, ..Setting::default() }).await;
    let mut client = stage.client().await;
    for fields in [
        "Host: shop.example.com",
        "Host: 127.0.0.1\r\nX-App-Name: cart",
        "Host: 127.0.0.1",
        "Host: elsewhere.example",
    ] {
        client.send(&format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n")).await;
        assert!(client.read_to("ok").await.starts_with("HTTP/1.1 200"), "{fields}");
    }
    assert!(stage.cast.started().is_empty());
    stage.end().await;
}
