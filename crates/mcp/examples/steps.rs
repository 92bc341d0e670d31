//! A tool of three durable steps and nothing else, for `bench/durable.py`.
//!
//! ```text
//! cargo run -p ostler-mcp --example steps -- 127.0.0.1:3000 steps.db
//! ```
#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use ostler_http::{ServerConfig, Tracing, serve};
use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
use ostler_net::Listener;
use ostler_scope::{BoxError, Scope};
use ostler_store::{SqliteConfig, SqliteStorage};
use ostler_tools::{Sessions, SessionsConfig, Tool, ToolContext, ToolResult, Tools};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

async fn three_steps(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    let one = ctx.step("one", async || Ok::<_, Infallible>(1)).await?;
    let two = ctx.step("two", async || Ok::<_, Infallible>(one + 1)).await?;
    let three = ctx.step("three", async || Ok::<_, Infallible>(two + 1)).await?;
    Ok(format!("{one} {two} {three}"))
}

fn main() -> ExitCode {
    ostler_scope::main("steps", run)
}

async fn run(scope: Scope) -> Result<ExitCode, BoxError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("`steps ADDRESS FILE`".into());
    };
    let storage = SqliteStorage::open(&scope, SqliteConfig::at(file)).await?;
    let tools =
        Tools::new().tool(Tool::new("three_steps", three_steps).describe("Takes three durable steps"));
    let sessions = Sessions::start(&scope, tools, storage, SessionsConfig::default())?;
    let endpoint = Arc::new(Endpoint::new(sessions, KeyRing::ephemeral(), EndpointConfig::default()));
    let listener = Listener::bind(&address.parse()?).await?;
    let server =
        serve(&scope, "mcp", listener, ServerConfig::default(), Tracing, move |connection: &Arc<_>| {
            endpoint.service(connection)
        })?;
    println!("listening on {}", server.address());
    scope.halting().cancelled().await;
    Ok(ExitCode::SUCCESS)
}
