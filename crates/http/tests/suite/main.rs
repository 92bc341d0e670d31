//! The server through its public interface, over real sockets.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod departures;
mod drain;
mod drained;
mod draining;
mod ending;
mod http2;
mod limits;
mod out_of_time;
mod page;
mod sends;
mod serving;
mod slow;
mod stage;

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{Discard, RequestBody, ServerConfig, ServerHandle, Workers, WorkersConfig, serve};
use ostler_net::Listener;
use ostler_scope::Scope;

async fn listener() -> Listener {
    Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// A server that answers every request with its path.
async fn echo(scope: &Scope, config: ServerConfig) -> ServerHandle {
    serve(scope, "echo", listener().await, config, Discard, |_connection| {
        service_fn(async |request: Request<RequestBody>| {
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
