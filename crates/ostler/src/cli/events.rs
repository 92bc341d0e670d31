//! `ostler events`.

use std::process::ExitCode;

use super::client::Client;
use super::failure::{Failure, print, remark};
use super::follow::follow;
use super::paint::{Paint, Style};
use super::sse::Message;
use super::words::printable;
use crate::admin::{EventDetail, EventView};

/// The width of the longest kind that is about a server.
const KIND: usize = "limit_reached".len();

pub(super) async fn run(client: Client, after: Option<String>, json: bool) -> Result<ExitCode, Failure> {
    let paint = Paint::stdout();
    let take = |message: Message| {
        if json {
            return print(&format!("{}\n", message.data));
        }
        match serde_json::from_str::<EventView>(&message.data) {
            Ok(event) => print(&line(&event, paint)),
            // An event that a later Ostler has and this program does not know.
            Err(_) => print(&format!("{}\n", printable(&message.data))),
        }
    };
    follow(&client, after, take).await?;
    remark("Ostler has ended.");
    Ok(ExitCode::SUCCESS)
}

/// One event: when, what, who, and what more there is to say.
fn line(event: &EventView, paint: Paint) -> String {
    let time = event.at.as_deref().and_then(|at| at.split_once('T')).map_or("", |(_, time)| time);
    let kind = format!("{:KIND$}", event.detail.name());
    let style = match &event.detail {
        EventDetail::Ready { .. } | EventDetail::Replaced { .. } => Style::Good,
        EventDetail::Started | EventDetail::Evicted { .. } | EventDetail::ReplacementStarted { .. } => {
            Style::Changing
        }
        EventDetail::Stopped => Style::Faint,
        EventDetail::Failed { .. }
        | EventDetail::Unhealthy { .. }
        | EventDetail::LimitReached { .. }
        | EventDetail::ReplacementFailed { .. }
        | EventDetail::Lagged { .. } => Style::Wrong,
    };
    let key = event.key.as_deref().map(printable).unwrap_or_default();
    let generation = event.generation.map(|generation| format!("#{generation}")).unwrap_or_default();
    let more = more(&event.detail);
    let text = format!(
        "{}  {}  {key}{}  {more}",
        paint.style(Style::Faint, format!("{time:13}")),
        paint.style(style, kind),
        paint.style(Style::Faint, generation),
    );
    format!("{}\n", text.trim_end())
}

fn more(detail: &EventDetail) -> String {
    match detail {
        EventDetail::Started | EventDetail::Stopped => String::new(),
        EventDetail::Ready { address } => format!("at {}", printable(address)),
        EventDetail::Evicted { cause } => match cause.as_str() {
            "idle" => "idle for long enough".to_owned(),
            "capacity" => "idle, and its place was needed".to_owned(),
            "quota" => "idle, and its place was needed by a host of the same rule".to_owned(),
            "max_age" => "as old as it may get".to_owned(),
            "max_uses" => "used as often as it may be".to_owned(),
            "unhealthy" => "failed its health checks".to_owned(),
            "requested" => "somebody asked for it".to_owned(),
            "drained" => "Ostler drains".to_owned(),
            other => printable(other),
        },
        EventDetail::Failed { error }
        | EventDetail::Unhealthy { error }
        | EventDetail::ReplacementFailed { error } => printable(error),
        EventDetail::ReplacementStarted { pid: Some(pid) } => format!("process {pid} is to take over"),
        EventDetail::ReplacementStarted { pid: None } => String::new(),
        EventDetail::Replaced { pid, version } => {
            format!("process {pid} serves, version {}", printable(version))
        }
        EventDetail::LimitReached { quota: Some(quota) } => {
            format!("all places of {} are in use", printable(quota))
        }
        EventDetail::LimitReached { quota: None } => "all places of the pool are in use".to_owned(),
        EventDetail::Lagged { missed: Some(missed) } => format!("{missed} events are missing here"),
        EventDetail::Lagged { missed: None } => {
            "events are missing here: another Ostler answers now".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        line(&serde_json::from_str(json).unwrap(), Paint::off())
    }

    #[test]
    fn an_event_is_one_line() {
        let ready = r#"{"id":"a-1","at":"2026-01-02T03:04:05.678Z","key":"shop.localhost","generation":3,"kind":"ready","address":"127.0.0.1:9000"}"#;
        assert_eq!(shown(ready), "03:04:05.678Z  ready          shop.localhost#3  at 127.0.0.1:9000\n");
        let failed =
            r#"{"id":"a-1","at":null,"key":"a","generation":1,"kind":"failed","error":"one\ntwo\u001b[2J"}"#;
        assert_eq!(shown(failed), "               failed         a#1  one\\ntwo\\u{1b}[2J\n");
    }
}
