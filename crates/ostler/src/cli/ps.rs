//! `ostler ps`.

use std::process::ExitCode;

use http::Method;

use super::client::{Client, PATIENCE};
use super::failure::{Failure, print};
use super::paint::{Paint, Style};
use super::table::{Cell, Table};
use super::words::{human_seconds, printable};
use crate::admin::{ServerView, WhyAliveView};

pub(super) async fn run(client: Client, json: bool) -> Result<ExitCode, Failure> {
    let mut servers: Vec<ServerView> = client.ask(Method::GET, "/servers", Some(PATIENCE)).await?;
    servers.sort_by(|one, other| one.key.cmp(&other.key));
    let text = match (json, servers.is_empty()) {
        (true, _) => {
            let text =
                serde_json::to_string_pretty(&servers).expect("structs of strings and numbers are JSON");
            format!("{text}\n")
        }
        (false, true) => "no servers: each starts with the first request for its host\n".to_owned(),
        (false, false) => table(&servers).render("", Paint::stdout()),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn table(servers: &[ServerView]) -> Table {
    let mut table =
        Table::new(&["KEY", "STATE", "PID", "PORT", "LEASES", "REQUESTS", "AGE", "IDLE", "WHY IT IS ALIVE"]);
    for server in servers {
        let ready = server.state == "ready";
        let idle = if ready && server.leases == 0 { human_seconds(server.idle_seconds) } else { none() };
        table.row([
            printable(&server.key).into(),
            Cell::styled(printable(&server.state), if ready { Style::Good } else { Style::Changing }),
            server.pid.map_or_else(none, |pid| pid.to_string()).into(),
            place(server).into(),
            server.leases.to_string().into(),
            server.requests.to_string().into(),
            server.age_seconds.map_or_else(none, human_seconds).into(),
            idle.into(),
            Cell::styled(why(server.why_alive), Style::Faint),
        ]);
    }
    table
}

/// The port, or that it is a socket.
fn place(server: &ServerView) -> String {
    match (&server.address, server.port) {
        (_, Some(port)) => port.to_string(),
        (Some(_), None) => "socket".to_owned(),
        (None, None) => none(),
    }
}

fn why(why: WhyAliveView) -> String {
    match why {
        WhyAliveView::Starting { waiters: 1 } => "starting, 1 request waits for it".to_owned(),
        WhyAliveView::Starting { waiters } => format!("starting, {waiters} requests wait for it"),
        WhyAliveView::Leased { .. } => "in use".to_owned(),
        WhyAliveView::Idle { remaining_seconds } => {
            format!("idle, stops in {}", human_seconds(remaining_seconds))
        }
        WhyAliveView::Pinned => "idle, but never stops for that".to_owned(),
        WhyAliveView::Draining { leases: 0, .. } => "draining".to_owned(),
        WhyAliveView::Draining { remaining_seconds, .. } => {
            format!("draining, still in use, cut off in {}", human_seconds(remaining_seconds))
        }
        WhyAliveView::Stopping => "stopping".to_owned(),
    }
}

fn none() -> String {
    "-".to_owned()
}
