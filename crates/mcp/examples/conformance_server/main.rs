//! What the official conformance suite wants to find in a server, on the public interface alone.
//!
//! ```text
//! cargo run -p ostler-mcp --example conformance_server -- --listen 127.0.0.1:3000
//! npx @modelcontextprotocol/conformance server --url http://127.0.0.1:3000/mcp --requirements 2026-07-28 # or 2025-11-25
//! ```
#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod offered;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ostler_http::{ServerConfig, Tracing, serve};
use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
use ostler_net::Listener;
use ostler_scope::Scope;
use ostler_tools::{MemoryStorage, Sessions, SessionsConfig, Tools};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--listen"), Some(address)) => address,
        (None, _) => "127.0.0.1:3000".to_owned(),
        (Some(other), _) => return Err(format!("`{other}` is not `--listen ADDRESS`").into()),
    };
    let scope = Scope::root("conformance").open()?;
    let sessions = Sessions::start(&scope, Tools::new(), MemoryStorage::new(), SessionsConfig::default())?;
    offered::offer(&sessions);
    // Shorter than the longest call takes: the suite looks whether a stream is ended and gone on with.
    let stream_hold = Duration::from_millis(300);
    let config =
        EndpointConfig { stream_hold, retry: Duration::from_millis(100), ..EndpointConfig::default() };
    let endpoint = Arc::new(Endpoint::new(sessions, KeyRing::ephemeral(), config));
    let listener = Listener::bind(&address.parse()?).await?;
    let server =
        serve(&scope, "mcp", listener, ServerConfig::default(), Tracing, move |connection: &Arc<_>| {
            endpoint.service(connection)
        })?;
    println!("listening on {}", server.address());
    tokio::signal::ctrl_c().await?;
    scope.halt().await;
    Ok(())
}
