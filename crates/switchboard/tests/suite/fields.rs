//! Header and trailer fields that a proxy must not pass on as they are, on the wire.

use ostler_switchboard::{Forwarding, SwitchboardConfig, Trust};
use tokio::sync::mpsc;

use crate::stage::{Cast, OK, Setting, Stage, showing};
use ostler_testing::Backend;

/// What `backend` answers a request with these fields, up to the end of the head.
async fn answered(answer: &'static str, request: &str) -> String {
    let backend = Backend::answering(answer).await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send(request).await;
    let head = client.read_to("\r\n\r\n").await.to_lowercase();
    drop(client);
    stage.end().await;
    head
}

#[tokio::test]
async fn an_expectation_that_nobody_knows_is_417_and_starts_nothing() {
    let stage = Stage::new(Cast::default()).await;
    for expect in ["200-ok", "100-continue, fast", "fast\r\nExpect: 100-continue", "100-continue=1"] {
        let mut client = stage.client().await;
        client
            .send(format!(
                "PUT / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 2\r\nExpect: {expect}\r\n\r\n"
            ))
            .await;
        let answer = client.read_to("}\n").await;
        assert!(answer.starts_with("HTTP/1.1 417 "), "{expect}: {answer}");
        assert!(answer.contains("urn:ostler:problem:expectation-failed"), "{answer}");
    }
    assert!(stage.cast.started().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn trailers_are_asked_for_from_the_next_hop_by_name() {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for te in ["trailers", "gzip;q=0.5, Trailers"] {
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a.localhost\r\nTE: {te}\r\nConnection: TE\r\n\r\n"))
            .await;
        client.read_to("ok").await;
        let request = shown.recv().await.unwrap();
        assert!(request.contains("\r\nte: trailers\r\n"), "{request}");
        assert!(request.contains("\r\nconnection: te\r\n"), "{request}");
    }
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\nTE: gzip\r\n\r\n").await;
    client.read_to("ok").await;
    let request = shown.recv().await.unwrap();
    assert!(!request.contains("\r\nte:") && !request.contains("\r\nconnection:"), "{request}");
    client
        .send("GET / HTTP/1.1\r\nHost: a.localhost\r\nTE: trailers\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        .await;
    let request = shown.recv().await.unwrap();
    assert!(request.contains("\r\nconnection: upgrade, te\r\n"), "{request}");
    stage.end().await;
}

#[tokio::test]
async fn an_upgrade_that_a_server_requires_is_named() {
    let required = "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, x-hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n\
                    Content-Length: 0\r\n\r\n";
    let head = answered(required, "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    assert!(head.starts_with("http/1.1 426 "), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(!head.contains("x-hop"), "{head}");
    // Nothing that an HTTP/1.0 client could do about it.
    let head = answered(required, "GET / HTTP/1.0\r\nHost: a.localhost\r\n\r\n").await;
    assert!(!head.contains("upgrade:"), "{head}");
    // One that we would not forward.
    let h2c =
        "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";
    let head = answered(h2c, "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    assert!(!head.contains("upgrade:"), "{head}");
    // An advertisement in any other answer is for the connection it came on.
    let ok = "HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n";
    let head = answered(ok, "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    assert!(!head.contains("upgrade"), "{head}");
}

#[tokio::test]
async fn a_trailer_cannot_say_what_only_a_header_may() {
    let (show, mut shown) = mpsc::unbounded_channel();
    let backend = Backend::start(move |_number, mut peer| {
        let show = show.clone();
        async move {
            while peer.head().await.is_some() {
                show.send(peer.read_to("\r\n\r\n").await.unwrap().to_lowercase()).unwrap();
                peer.send(OK).await;
            }
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    let forbidden = [
        "X-Forwarded-For",
        "X_Forwarded_Host",
        "X-Real-IP",
        "Forwarded",
        "Via",
        "Connection",
        "Keep-Alive",
        "Content-Location",
        "Proxy-Authorization",
        "Cookie",
        "If-Match",
        "traceparent",
        "X-Request-ID",
    ];
    let named = forbidden.join(", ");
    let lines: String = forbidden.iter().map(|name| format!("{name}: 1\r\n")).collect();
    for allowed in ["X-Up: 1\r\n", "Content-Digest: sha-256=:x:\r\n", ""] {
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\
                 Trailer: X-Up, Content-Digest, {named}\r\n\r\n5\r\nhello\r\n0\r\n{lines}{allowed}\r\n"
            ))
            .await;
        assert_eq!(shown.recv().await.unwrap(), format!("5\r\nhello\r\n0\r\n{}\r\n", allowed.to_lowercase()));
        client.read_to("ok").await;
    }
    stage.end().await;
}

#[tokio::test]
async fn an_answers_trailer_cannot_either() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Age, Connection, Via, WWW-Authenticate\r\n\r\n\
         2\r\nok\r\n0\r\nAge: 1\r\nConnection: close\r\nX-Sum: 7\r\nVia: 1.1 x\r\nWWW-Authenticate: Basic\r\n\r\n",
    )
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\nTE: trailers\r\n\r\n").await;
        client.read_to("\r\n\r\n").await;
        assert_eq!(client.read_to("\r\n\r\n").await.to_lowercase(), "2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n");
    }
    assert_eq!(backend.connections(), 1, "a response with trailers gives its connection back");
    stage.end().await;
}

/// The names that a server is shown of a request with `sent`, without those it always has, in order.
async fn passed(config: SwitchboardConfig, sent: &[&str]) -> Vec<String> {
    let (backend, mut shown) = showing("\r\n\r\n").await;
    let cast = Cast::default().with("a.localhost", &backend.address);
    let stage = Stage::set(cast, Setting { switchboard: config, ..Setting::default() }).await;
    let mut client = stage.client().await;
    let fields: String = sent.iter().map(|name| format!("{name}: 6.6.6.6\r\n")).collect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a.localhost\r\n{fields}\r\n")).await;
    client.read_to("ok").await;
    let head = shown.recv().await.unwrap();
    drop(client);
    stage.end().await;
    let lines = head.lines().filter_map(|line| line.strip_suffix(": 6.6.6.6"));
    let mut names: Vec<_> = lines.map(str::to_owned).collect();
    names.sort();
    names
}

/// What no server should take for what we, or a proxy that we trust, have said.
const DISGUISED: [&str; 12] = [
    "X_Forwarded_For",
    "X-Forwarded_Host",
    "x.forwarded.proto",
    "X_Forwarded_Prefix",
    "X_Real_IP",
    "X_Request_ID",
    "Transfer_Encoding",
    "Content_Length",
    "Keep_Alive",
    "Proxy_Connection",
    "Proxy_Authorization",
    "Proxy_Authenticate",
];

#[tokio::test]
async fn a_strangers_claims_do_not_pass_in_any_spelling_and_other_names_do() {
    let claims = ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Real-IP", "Forwarded"];
    let harmless = ["My_Header", "X_Mine", "X-Forwarded", "X_Realm", "Content_Type", "x.y", "Cookie"];
    let sent = [&DISGUISED[..], &claims, &harmless].concat();
    let expected = ["content_type", "cookie", "my_header", "x-forwarded", "x.y", "x_mine", "x_realm"];
    assert_eq!(passed(SwitchboardConfig::default(), &sent).await, expected);
    let remove = SwitchboardConfig { forwarding: Forwarding::Remove, ..SwitchboardConfig::default() };
    assert_eq!(passed(remove, &sent).await, expected);
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_what_it_says_in_the_one_spelling_that_proxies_use() {
    let trust = Trust { networks: vec!["127.0.0.0/8".parse().unwrap()], unix: false };
    let config = SwitchboardConfig { trust, ..SwitchboardConfig::default() };
    let sent = [&DISGUISED[..], &["X-Forwarded-Port", "X-Real-IP"]].concat();
    assert_eq!(passed(config.clone(), &sent).await, ["x-forwarded-port", "x-real-ip"]);
    let replace = SwitchboardConfig { forwarding: Forwarding::Replace, ..config };
    assert_eq!(passed(replace, &sent).await, [""; 0]);
}

#[tokio::test]
async fn a_request_id_header_of_ones_own_is_kept_from_disguise_too() {
    let header = "operation-id".parse().unwrap();
    let config = SwitchboardConfig { request_id_header: header, ..SwitchboardConfig::default() };
    assert_eq!(passed(config, &["Operation_ID", "Operation-Id", "X_Request_ID"]).await, ["x_request_id"]);
}
