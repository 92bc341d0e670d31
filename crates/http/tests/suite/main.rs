//! The server through its public interface, over real sockets.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod drain;
mod limits;
mod serving;

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{Server, ServerConfig, Workers, WorkersConfig};
use ostler_net::Listener;
use ostler_scope::Scope;

async fn listener() -> Listener {
    Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// A server that answers every request with its path.
async fn echo(scope: &Scope, config: ServerConfig) -> Server {
    Server::start(scope, "echo", listener().await, config, |_connection| {
        service_fn(async |request: Request<Incoming>| {
            let path = request.uri().path().to_owned();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(path))))
        })
    })
    .unwrap()
}

/// Two worker threads.
fn workers(scope: &Scope) -> Workers {
    let threads = std::num::NonZeroUsize::new(2);
    Workers::start(scope, WorkersConfig { threads }).unwrap()
}
