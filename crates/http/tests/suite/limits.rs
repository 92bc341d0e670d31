//! Bounds on clients, each with what the client sees.

use std::time::Duration;

use ostler_http::ServerConfig;
use ostler_scope::Scope;

use crate::echo;
use ostler_testing::Client;

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig { idle_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut silent = Client::connect(server.address()).await;
    let mut served = Client::connect(server.address()).await;
    served.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    served.read_to("/a").await;
    assert_eq!(silent.read_to_close().await.unwrap(), "");
    assert_eq!(served.read_to_close().await.unwrap(), "");
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_however_steadily_it_drips() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig { header_timeout: SHORT, ..ServerConfig::default() }).await;
    let mut client = Client::connect(server.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
    let dripping = async {
        loop {
            client.send("X-Drip: 1\r\n").await;
            tokio::time::sleep(SHORT / 10).await;
            if server.connections() == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(ostler_testing::PATIENCE, dripping).await.expect("the drip is still served");
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn a_head_larger_than_allowed_is_answered_431() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig { max_head_size: 8 * 1024, ..ServerConfig::default() }).await;
    let mut client = Client::connect(server.address()).await;
    client.send(&format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024))).await;
    assert!(client.read_to("\r\n").await.starts_with("HTTP/1.1 431"));
    client.read_to_close().await.unwrap();
    drop(client);
    assert!(scope.halt().await.error.is_none());
}

#[tokio::test]
async fn one_connection_too_many_is_told_503_and_its_place_is_free_again_later() {
    let scope = Scope::root("test").open().unwrap();
    let server = echo(&scope, ServerConfig { max_connections: 1, ..ServerConfig::default() }).await;
    let mut first = Client::connect(server.address()).await;
    first.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.read_to("/a").await;
    let mut second = Client::connect(server.address()).await;
    assert!(second.read_to_close().await.unwrap().starts_with("HTTP/1.1 503 "));
    first.send("GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    first.read_to("/b").await;
    first.read_to_close().await.unwrap();
    // The server's side of the close is seen by the client before the place is given back.
    while server.connections() > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = Client::connect(server.address()).await;
    third.send("GET /c HTTP/1.1\r\nHost: x\r\n\r\n").await;
    third.read_to("/c").await;
    assert!(scope.halt().await.error.is_none());
}
