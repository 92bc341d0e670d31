//! A server that ends well: it serves until SIGTERM, finishes what is in flight for at most five seconds, prints how that
//! went, and exits with 0 if nothing was cut and with 3 otherwise.
//!
//! ```text
//! cargo run -p ostler-http --example sigterm &
//! curl "http://127.0.0.1:8080/?wait=3" &   # an answer that takes three seconds
//! kill %1
//! ```
//!
//! A first argument is the address to listen on.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ostler_http::{Drain, Print, RequestBody, ServerConfig, serve};
use ostler_net::Listener;
use ostler_scope::{Deadline, Scope};
use tokio::signal::unix::{SignalKind, signal};

/// How long a drain may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Asked for before the first client can come: until then SIGTERM just ends the process.
    let mut terminate = signal(SignalKind::terminate())?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let scope = Scope::root("sigterm").open()?;
    let listener = Listener::bind(&address.parse()?).await?;
    let server = serve(&scope, "hello", listener, ServerConfig::default(), Print, |_connection| {
        service_fn(async |request: Request<RequestBody>| {
            tokio::time::sleep(wait(&request)).await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello\n"))))
        })
    })?;
    println!("listening on {}", server.address());

    tokio::select! {
        _ = terminate.recv() => println!("draining {} connections", server.connections()),
        // Nobody has asked it to: it has failed, and the scope says why.
        failed = server.wait() => println!("{failed}"),
    }
    let drain = server.drain(Deadline::after(PATIENCE)).await;
    println!("{drain}");
    scope.halt().await;
    Ok(match drain {
        Drain::Drained { .. } => ExitCode::SUCCESS,
        Drain::TimedOut(_) | Drain::Forced(_) | Drain::SupervisorFailed => ExitCode::from(3),
    })
}

/// The seconds of `?wait=`.
fn wait(request: &Request<RequestBody>) -> Duration {
    let seconds = request.uri().query().and_then(|query| query.strip_prefix("wait="));
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(0))
}
