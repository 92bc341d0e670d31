//! `ostler sessions` and `ostler cancel`.

use std::process::ExitCode;

use http::Method;

use super::client::{Client, PATIENCE};
use super::failure::{Failure, print};
use super::paint::Paint;
use super::table::Table;
use super::words::{human_seconds, printable};
use crate::admin::{CancelledView, NO_SUCH_SESSION, SessionView};

/// As many come at a time.
const PAGE: usize = 1000;

pub(super) async fn list(client: Client, all: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut sessions: Vec<SessionView> = Vec::new();
    loop {
        let after = sessions.last().map(|last| format!("&after={}", last.id)).unwrap_or_default();
        let path = format!("/sessions?limit={PAGE}&all={all}{after}");
        let page: Vec<SessionView> = client.ask(Method::GET, &path, Some(PATIENCE)).await?;
        let is_last = page.len() < PAGE;
        sessions.extend(page);
        if is_last {
            break;
        }
    }
    let text = match (json, sessions.is_empty()) {
        (true, _) => {
            let text = serde_json::to_string_pretty(&sessions);
            text.map_err(|error| Failure::new(error.to_string()))? + "\n"
        }
        (false, true) => "no sessions wait\n".to_owned(),
        (false, false) => table(&sessions),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn table(sessions: &[SessionView]) -> String {
    let mut table = Table::new(&["SESSION", "TOOL", "FOR", "STATE", "ROUND", "AGE", "QUIET", "WAITS FOR"]);
    for session in sessions {
        let waits: Vec<_> = session.questions.iter().map(|question| printable(&question.key)).collect();
        table.row([
            session.id.as_str().into(),
            printable(&session.tool).into(),
            printable(&session.principal).into(),
            session.state.as_str().into(),
            session.round.to_string().into(),
            human_seconds(session.age_seconds).into(),
            human_seconds(session.quiet_seconds).into(),
            if waits.is_empty() { "-".into() } else { waits.join(", ").into() },
        ]);
    }
    table.render("", Paint::stdout())
}

pub(super) async fn cancel(client: Client, id: &str) -> Result<ExitCode, Failure> {
    let is_id = id.chars().all(|character| character.is_ascii_hexdigit() || character == '-');
    let path = format!("/sessions/{id}");
    let cancelled = match is_id {
        true => client.ask::<CancelledView>(Method::DELETE, &path, Some(PATIENCE)).await,
        false => Err(Failure::Refused { problem: NO_SUCH_SESSION.to_owned(), detail: String::new() }),
    };
    match cancelled {
        Err(Failure::Refused { problem, .. }) if problem == NO_SUCH_SESSION => {
            let failure = Failure::new(format!("no session `{}` goes on", printable(id)));
            Err(failure.help("`ostler sessions` lists those that do"))
        }
        other => {
            print(&format!("{} cancelled\n", other?.id))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
