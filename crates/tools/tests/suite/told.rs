//! What the log and the figures say of sessions.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use ostler_scope::Scope;
use ostler_tools::{
    Answer, Attempt, Call, MemoryStorage, Prompt, Sessions, SessionsStatus, Tool, ToolContext, ToolResult,
    Tools,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::flight::{accept, ada, done, given, input, start};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

/// Keeps each span, with what is recorded in it later, and each event, as one line of `name=value`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    spans: HashMap<Id, usize>,
}

struct Line<'l>(&'l mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut line = span.metadata().name().to_owned();
        span.record(&mut Line(&mut line));
        let mut log = self.lines();
        let place = log.lines.len();
        log.spans.insert(id.clone(), place);
        log.lines.push(line);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut log = self.lines();
        let place = log.spans[id];
        values.record(&mut Line(&mut log.lines[place]));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("ostler_tools") {
            let mut line = event.metadata().level().to_string();
            event.record(&mut Line(&mut line));
            self.lines().lines.push(line);
        }
    }
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().expect("nothing panics with it")
    }

    /// Keeps what happens on this thread from now on.
    fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// The lines with all of these in them.
    fn with(&self, words: &[&str]) -> usize {
        self.lines().lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

fn traced(trace: &str) -> Attempt {
    Attempt { trace: Some(trace.into()), ..ada() }
}

fn asking() -> Tools {
    async fn ask(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        Ok(ctx.elicit::<Text>("say", Prompt::new("Well?")).await?.required("say")?.text)
    }
    Tools::new().tool(Tool::new("ask", ask).elicits::<Text>("say"))
}

#[tokio::test]
async fn the_rounds_of_a_session_are_told_and_linked_and_counted() {
    let log = Log::default();
    let _guard = log.listen();
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let sessions = start(&scope, asking(), storage.clone());

    let asked = input(sessions.call(Call::tool("ask", &json!({})), traced("00-first")).await.unwrap());
    let session = format!("session={}", asked.session);
    assert_eq!(log.with(&["round tool=\"ask\" trace=\"00-first\"", &session]), 1, "{:?}", log.0);
    assert_eq!(
        log.with(&["INFO", "waits for answers", &session, "round=1", "asks=[\"say\"]"]),
        1,
        "{:?}",
        log.0
    );

    let answers = given(&[("say", accept(json!({ "text": "done" })))]);
    let answer = Answer { session: asked.session, round: 1, call: None, answers };
    done(sessions.answer(answer.clone(), traced("00-second")).await.unwrap());
    let linked = ["round tool=", "trace=\"00-second\"", &session, "resumed=\"live\"", "follows=\"00-first\""];
    assert_eq!(log.with(&linked), 1, "{:?}", log.0);
    assert_eq!(log.with(&["INFO", "has completed", &session, "rounds=1"]), 1, "{:?}", log.0);

    // From the journal alone.
    let asked = input(sessions.call(Call::tool("ask", &json!({})), ada()).await.unwrap());
    let others = start(&scope, asking(), storage);
    done(others.answer(Answer { session: asked.session, ..answer }, ada()).await.unwrap());
    assert_eq!(log.with(&[&format!("session={}", asked.session), "resumed=\"journal\""]), 1, "{:?}", log.0);

    let SessionsStatus { calls, rounds, resumed_live, resumed_from_journal, .. } = sessions.status();
    assert_eq!((calls, rounds, resumed_live, resumed_from_journal), (2, 2, 1, 0));
    assert_eq!((others.status().rounds, others.status().resumed_from_journal), (0, 1));
    scope.halt().await;
}

/// A tool that waits for a client, and for something that is not its context's.
fn impatient(elsewhere: &Arc<Notify>) -> Tools {
    let elsewhere = Arc::clone(elsewhere);
    let handler = move |ctx: ToolContext, _: Nothing| {
        let elsewhere = Arc::clone(&elsewhere);
        async move {
            let said = tokio::select! {
                said = ctx.elicit::<Text>("say", Prompt::new("Well?")) => said?.required("say")?.text,
                () = elsewhere.notified() => "nobody waits for that".to_owned(),
            };
            Ok::<_, ostler_tools::ToolError>(said)
        }
    };
    Tools::new().tool(Tool::new("impatient", handler).elicits::<Text>("say"))
}

async fn waiting(scope: &Scope, elsewhere: &Arc<Notify>) -> (Sessions, Answer) {
    let sessions = start(scope, impatient(elsewhere), MemoryStorage::new());
    let call = Call::tool("impatient", &json!({}));
    let asked = input(sessions.call(call, ada()).await.expect("it asks"));
    let answers = given(&[("say", accept(json!({ "text": "answered" })))]);
    (sessions, Answer { session: asked.session, round: 1, call: None, answers })
}

#[tokio::test]
async fn a_parked_tool_that_something_else_wakes_is_told_of_once() {
    let log = Log::default();
    let _guard = log.listen();
    let scope = Scope::root("test").open().unwrap();
    let elsewhere = Arc::new(Notify::new());
    let (sessions, answer) = waiting(&scope, &elsewhere).await;
    elsewhere.notify_waiters();
    elsewhere.notify_waiters();
    let told = ["ERROR", "tool=impatient", "not its context's", &answer.session.to_string()];
    assert_eq!(log.with(&told), 1, "{:?}", log.0);
    done(sessions.answer(answer, ada()).await.unwrap());
    assert_eq!(sessions.status().foreign_wakes, 1);
    scope.halt().await;
}

#[tokio::test]
async fn a_parked_tool_that_waits_for_its_context_alone_is_not_told_of() {
    let log = Log::default();
    let _guard = log.listen();
    let scope = Scope::root("test").open().unwrap();
    let elsewhere = Arc::new(Notify::new());
    let (sessions, answer) = waiting(&scope, &elsewhere).await;
    done(sessions.answer(answer, ada()).await.unwrap());
    let (sessions, answer) = waiting(&scope, &elsewhere).await;
    sessions.cancel(answer.session).await.unwrap();
    assert_eq!(log.with(&["ERROR"]), 0, "{:?}", log.0);
    assert_eq!(sessions.status().foreign_wakes, 0);
    scope.halt().await;
}
