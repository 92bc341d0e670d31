//! A tool that asks twice and books once, served to MCP clients: `cargo run -p ostler --example book_flight`.
//!
//! Kill it between two of its questions, start it again and answer: it goes on where it was.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ostler::endpoint::{Endpoint, EndpointConfig, KeyRing};
use ostler::store::{SqliteConfig, SqliteStorage};
use ostler::tools::{Choice, Prompt, Sessions, SessionsConfig, Tool, ToolContext, ToolResult, Tools};
use ostler::{BoxError, Listener, Print, ServerConfig, serve};
use schemars::JsonSchema;
use serde::Deserialize;

const DAY: Duration = Duration::from_hours(24);

#[derive(Deserialize, JsonSchema)]
struct Trip {
    to: String,
}

#[derive(Deserialize, JsonSchema)]
struct Pick {
    flight: String,
}

#[derive(Deserialize, JsonSchema)]
struct Seat {
    window: bool,
}

async fn book_flight(ctx: ToolContext, Trip { to }: Trip) -> ToolResult<String> {
    let flights =
        ctx.step("search", || async { Ok::<_, BoxError>(vec![format!("{to} 7:25"), format!("{to} 19:05")]) });
    let choices = flights.await?.into_iter().map(|flight| Choice::new(&flight, &flight));
    let prompt = Prompt::new("Which flight?").choices("flight", choices);
    let Pick { flight } = ctx.elicit("pickFlight", prompt).await?.required("pickFlight")?;
    let Seat { window } =
        ctx.elicit("pickSeat", Prompt::new("By the window?")).await?.required("pickSeat")?;
    let reference = ctx.step_once("book", || async { Ok::<_, BoxError>(format!("{flight} #1")) }).await?;
    Ok(format!("{reference}, {}", if window { "by the window" } else { "anywhere" }))
}

fn main() -> ExitCode {
    ostler::main("book_flight", async |scope| {
        let tool =
            Tool::new("book_flight", book_flight).elicits::<Pick>("pickFlight").elicits::<Seat>("pickSeat");
        let store = SqliteStorage::open(&scope, SqliteConfig::at("book_flight.db")).await?;
        let sessions = Sessions::start(&scope, Tools::new().tool(tool), store, SessionsConfig::default())?;
        let keys = KeyRing::load("book_flight.keys".as_ref(), DAY, DAY)?;
        let endpoint = Arc::new(Endpoint::new(sessions, keys, EndpointConfig::default()));
        let listener = Listener::bind(&"127.0.0.1:8002".parse()?).await?;
        let make = move |connection: &Arc<_>| endpoint.service(connection);
        serve(&scope, "mcp", listener, ServerConfig::default(), Print, make)?;
        scope.halting().cancelled().await;
        Ok(ExitCode::SUCCESS)
    })
}
