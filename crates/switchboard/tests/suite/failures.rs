//! What clients see when there is no answer to give, and that it starts nothing it should not.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::pending;
use ostler_pool::PoolConfig;
use ostler_switchboard::SwitchboardConfig;
use tokio::sync::Notify;

use crate::stage::{Cast, Setting, Stage};
use ostler_testing::{Backend, Client, Held};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn get(client: &mut Client, host: &str) -> String {
    client.send(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    client.read_to("}\n").await
}

fn status(answer: &str) -> &str {
    &answer["HTTP/1.1 ".len()..][..3]
}

#[tokio::test]
async fn an_unknown_host_is_404_and_starts_nothing() {
    let stage = Stage::new(Cast::default()).await;
    let mut client = stage.client().await;
    for host in ["example.com", "127.0.0.1", "[::1]", "localhost"] {
        let answer = get(&mut client, host).await;
        assert_eq!(status(&answer), "404", "{host}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        assert!(answer.contains("\"type\":\"urn:ostler:problem:unknown-host\""), "{answer}");
    }
    assert!(stage.cast.started().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn a_request_that_servers_may_read_differently_is_refused() {
    let stage = Stage::new(Cast::default()).await;
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost\r\n",
        "POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: gzip, chunked\r\n",
        "GET * HTTP/1.1\r\nHost: a.localhost\r\n",
        "GET / HTTP/1.1\r\nHost: not a host\r\n",
        "CONNECT a.localhost:80 HTTP/1.1\r\nHost: a.localhost:80\r\n",
    ] {
        let mut client = stage.client().await;
        client.send(&format!("{head}\r\n")).await;
        let answer = client.read_to("\r\n").await;
        assert_eq!(status(&answer), "400", "{head}");
    }
    assert!(stage.cast.started().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn a_failed_start_is_502_without_the_reason_and_then_503_while_backing_off() {
    let stage = Stage::new(Cast::default()).await;
    let mut client = stage.client().await;
    let failed = get(&mut client, "broken.localhost").await;
    assert_eq!(status(&failed), "502");
    assert!(!failed.contains("secret"), "{failed}");
    assert!(failed.contains("\"request_id\":\""), "{failed}");
    let backing_off = get(&mut client, "broken.localhost").await;
    assert_eq!(status(&backing_off), "503");
    assert!(backing_off.contains("retry-after: 1\r\n"), "{backing_off}");
    assert_eq!(stage.cast.started(), ["broken.localhost"]);
    stage.end().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_504() {
    let stage = Stage::new(Cast::default().starting("slow.localhost", || pending().boxed())).await;
    let answer = get(&mut stage.client().await, "slow.localhost").await;
    assert_eq!(status(&answer), "504");
    assert!(answer.contains("urn:ostler:problem:start-timed-out"), "{answer}");
    stage.end().await;
}

#[tokio::test]
async fn a_full_pool_is_503_with_retry_after_and_what_runs_is_not_touched() {
    let Held { backend, arrived, release } = Backend::holding(OK).await;
    let cast = Cast::default().with("a.localhost", &backend.address).with("b.localhost", &backend.address);
    let pool =
        PoolConfig { max_servers: 1, wait_timeout: Duration::from_millis(50), ..PoolConfig::default() };
    let stage = Stage::set(cast, Setting { pool, ..Setting::default() }).await;
    let mut busy = stage.client().await;
    busy.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    arrived.notified().await;
    let answer = get(&mut stage.client().await, "b.localhost").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("retry-after: "), "{answer}");
    release.notify_one();
    busy.read_to("ok").await;
    assert_eq!(stage.cast.started(), ["a.localhost"]);
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_is_502() {
    let backend = Backend::start(|_number, mut peer| async move {
        peer.head().await;
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let answer = get(&mut stage.client().await, "a.localhost").await;
    assert_eq!(status(&answer), "502");
    assert!(answer.contains("urn:ostler:problem:upstream-died"), "{answer}");
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_nobody_listens_for_is_502() {
    let gone = Backend::answering(OK).await.address.clone();
    // The backend has been dropped; its port is closed once its task is.
    while ostler_net::Stream::connect(&gone).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let stage =
        Stage::set(Cast::default(), Setting { fixed: vec![("old.localhost", gone)], ..Setting::default() })
            .await;
    let answer = get(&mut stage.client().await, "old.localhost").await;
    assert_eq!(status(&answer), "502");
    assert!(answer.contains("urn:ostler:problem:unreachable"), "{answer}");
    stage.end().await;
}

/// Answers one request a connection, and then closes as soon as the next one has come.
async fn stale_after_one() -> Backend {
    Backend::start(|_number, mut peer| async move {
        peer.head().await;
        peer.send(OK).await;
        peer.head().await;
    })
    .await
}

#[tokio::test]
async fn an_idempotent_request_is_repeated_once_on_a_new_connection() {
    let backend = stale_after_one().await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
        assert!(client.read_to("ok").await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(backend.connections(), 3);
    stage.end().await;
}

#[tokio::test]
async fn a_request_that_may_do_something_twice_is_not_repeated() {
    let backend = stale_after_one().await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    client.read_to("ok").await;
    client.send("POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(status(&client.read_to("}\n").await), "502");
    assert_eq!(backend.connections(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_exchange_and_frees_the_lease() {
    let (arrived, cancelled) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrive, cancel) = (Arc::clone(&arrived), Arc::clone(&cancelled));
    let backend = Backend::start(move |_number, mut peer| {
        let (arrive, cancel) = (Arc::clone(&arrive), Arc::clone(&cancel));
        async move {
            peer.head().await;
            arrive.notify_one();
            peer.closed().await;
            cancel.notify_one();
        }
    })
    .await;
    let stage = Stage::new(Cast::default().with("a.localhost", &backend.address)).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    arrived.notified().await;
    assert_eq!(stage.leases("a.localhost"), 1);
    drop(client);
    tokio::time::timeout(ostler_testing::PATIENCE, cancelled.notified()).await.expect("the exchange goes on");
    stage.until_leases("a.localhost", 0).await;
    stage.end().await;
}

#[tokio::test]
async fn a_request_waits_no_longer_than_it_may() {
    let cast = Cast::default().starting("slow.localhost", || pending().boxed());
    let switchboard =
        SwitchboardConfig { wait_timeout: Duration::from_millis(50), ..SwitchboardConfig::default() };
    let stage = Stage::set(cast, Setting { switchboard, ..Setting::default() }).await;
    let answer = get(&mut stage.client().await, "slow.localhost").await;
    assert_eq!(status(&answer), "504");
    assert!(answer.contains("urn:ostler:problem:wait-timed-out"), "{answer}");
    stage.end().await;
}
