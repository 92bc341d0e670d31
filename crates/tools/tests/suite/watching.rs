//! Watching sessions, and answering them from outside of their calls.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use ostler_scope::Scope;
use ostler_tools::{
    Answer, Call, CallError, Failure, Json, MemoryStorage, Progress, Prompt, RespondError, SessionEventKind,
    SessionId, Sessions, SessionsConfig, Tool, ToolContext, ToolError, ToolResult, Tools, Watcher,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::flight::{accept, ada, answers, done, given, input, start, to_rome};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

/// The next event in a word.
async fn next(watcher: &mut Watcher) -> String {
    match watcher.next().await.expect("it is not over").kind {
        SessionEventKind::Progress { progress, .. } => format!("at {progress}"),
        SessionEventKind::Log { .. } => "log".into(),
        SessionEventKind::ElicitRequest(question) => format!("elicit {}", question.key),
        SessionEventKind::SampleRequest(question) => format!("sample {}", question.key),
        SessionEventKind::RootsRequest(question) => format!("roots {}", question.key),
        SessionEventKind::Result(_) => "result".into(),
        SessionEventKind::Error(failure) => format!("error {failure}"),
        SessionEventKind::Cancelled => "cancelled".into(),
    }
}

async fn booking(sessions: &Sessions) -> SessionId {
    input(sessions.call(to_rome(), ada()).await.expect("it asks")).session
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_of_everything_up_to_the_end_over_an_eviction_too() {
    for max_parked_bytes in [usize::MAX, 0] {
        let scope = Scope::root("test").open().unwrap();
        let config = SessionsConfig { max_parked_bytes, ..SessionsConfig::default() };
        let tools = crate::flight::tools(&crate::flight::Effects::default());
        let sessions = Sessions::start(&scope, tools, MemoryStorage::new(), config).unwrap();
        let first = input(sessions.call(to_rome(), ada()).await.unwrap());
        let mut watcher = sessions.watch(first.session, "ada").await.unwrap();
        assert_eq!(next(&mut watcher).await, "elicit pickFlight");

        let answer = Answer { session: first.session, round: 1, call: None, answers: answers(&first) };
        let second = input(sessions.answer(answer, ada()).await.unwrap());
        let answer = Answer { session: first.session, round: 2, call: None, answers: answers(&second) };
        done(sessions.answer(answer, ada()).await.unwrap());
        assert_eq!(next(&mut watcher).await, "elicit pickSeat");
        assert_eq!(next(&mut watcher).await, "sample tip");
        assert_eq!(next(&mut watcher).await, "result");
        assert!(watcher.next().await.is_none());
        // Whoever comes later is told how it ended.
        let mut late = sessions.watch(first.session, "ada").await.unwrap();
        assert_eq!(next(&mut late).await, "result");
        assert!(late.next().await.is_none());
        scope.halt().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ends_are_told_as_what_they_are_and_somebody_else_is_told_nothing() {
    let scope = Scope::root("test").open().unwrap();
    let tools = crate::flight::tools(&crate::flight::Effects::default());
    let sessions = start(&scope, tools, MemoryStorage::new());
    let cancelled = booking(&sessions).await;
    let mut watcher = sessions.watch(cancelled, "ada").await.unwrap();
    assert!(matches!(sessions.watch(cancelled, "bob").await, Err(CallError::UnknownSession(_))));
    sessions.cancel(cancelled).await.unwrap();
    assert_eq!(next(&mut watcher).await, "elicit pickFlight");
    assert_eq!(next(&mut watcher).await, "cancelled");
    assert!(watcher.next().await.is_none());
    scope.halt().await;
}

/// Tells `of` times how far it is once it has been answered, and counts.
fn talkative(of: u32, told: &Arc<AtomicU32>) -> Tools {
    let told = Arc::clone(told);
    let handler = move |ctx: ToolContext, _: Nothing| {
        let told = Arc::clone(&told);
        async move {
            ctx.elicit::<Text>("begin", Prompt::new("Now?")).await?.required("begin")?;
            for number in 1..=of {
                ctx.progress(Progress::at(f64::from(number))).await;
                told.fetch_add(1, Ordering::SeqCst);
            }
            ctx.elicit::<Text>("end", Prompt::new("Well?")).await?.required("end")?;
            Ok::<_, ToolError>(String::new())
        }
    };
    Tools::new().tool(Tool::new("talkative", handler).elicits::<Text>("begin").elicits::<Text>("end"))
}

async fn begun(sessions: &Sessions) -> Answer {
    let asked = input(sessions.call(Call::tool("talkative", &json!({})), ada()).await.expect("it asks"));
    let answers = given(&[("begin", accept(json!({ "text": "yes" })))]);
    Answer { session: asked.session, round: 1, call: None, answers }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_is_slow_slows_the_tool_and_loses_nothing() {
    let (scope, told) = (Scope::root("test").open().unwrap(), Arc::new(AtomicU32::new(0)));
    let sessions = start(&scope, talkative(200, &told), MemoryStorage::new());
    let answer = begun(&sessions).await;
    let mut watcher = sessions.watch(answer.session, "ada").await.unwrap();
    assert_eq!(next(&mut watcher).await, "elicit begin");
    let mut answering = Box::pin(sessions.answer(answer, ada()));
    // As far as it gets.
    for _ in 0..1000 {
        assert!(poll_fn(|cx| Poll::Ready(answering.poll_unpin(cx).is_pending())).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(told.load(Ordering::SeqCst), 64);
    let watching = async {
        for number in 1..=200 {
            assert_eq!(next(&mut watcher).await, format!("at {number}"));
        }
        assert_eq!(next(&mut watcher).await, "elicit end");
    };
    let (reply, ()) = tokio::join!(answering, watching);
    input(reply.unwrap());
    assert_eq!(watcher.dropped(), 0);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_watcher_the_oldest_progress_goes_and_is_counted() {
    let (scope, told) = (Scope::root("test").open().unwrap(), Arc::new(AtomicU32::new(0)));
    let sessions = start(&scope, talkative(200, &told), MemoryStorage::new());
    let answer = begun(&sessions).await;
    let session = answer.session;
    input(sessions.answer(answer, ada()).await.unwrap());
    let mut watcher = sessions.watch(session, "ada").await.unwrap();
    assert_eq!(watcher.dropped(), 136);
    for number in 137..=200 {
        assert_eq!(next(&mut watcher).await, format!("at {number}"));
    }
    assert_eq!(next(&mut watcher).await, "elicit end");
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_leaves_lets_the_tool_go_on() {
    let (scope, told) = (Scope::root("test").open().unwrap(), Arc::new(AtomicU32::new(0)));
    let sessions = start(&scope, talkative(200, &told), MemoryStorage::new());
    let answer = begun(&sessions).await;
    let watcher = sessions.watch(answer.session, "ada").await.unwrap();
    let answering = sessions.answer(answer, ada());
    let leaving = async {
        while told.load(Ordering::SeqCst) < 60 {
            tokio::task::yield_now().await;
        }
        drop(watcher);
    };
    let (reply, ()) = tokio::join!(answering, leaving);
    input(reply.unwrap());
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn one_question_is_answered_from_outside_once() {
    async fn ask(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
        Ok(ctx.elicit::<Text>("say", Prompt::new("Well?")).await?.required("say")?.text)
    }
    let scope = Scope::root("test").open().unwrap();
    let tools = Tools::new().tool(Tool::new("ask", ask).elicits::<Text>("say"));
    let sessions = start(&scope, tools, MemoryStorage::new());
    let asked = input(sessions.call(Call::tool("ask", &json!({})), ada()).await.unwrap());
    let mut watcher = sessions.watch(asked.session, "ada").await.unwrap();
    assert_eq!(next(&mut watcher).await, "elicit say");
    let respond = |key: &'static str| {
        let answer = Json::from(&accept(json!({ "text": "from outside" })));
        sessions.respond(asked.session, key, answer, ada())
    };
    assert!(matches!(respond("other").await, Err(RespondError::Unknown { key }) if key == "other"));
    respond("say").await.unwrap();
    assert_eq!(next(&mut watcher).await, "result");
    assert!(matches!(respond("say").await, Err(RespondError::Settled { .. })));

    let asked = input(sessions.call(Call::tool("ask", &json!({})), ada()).await.unwrap());
    let mut watcher = sessions.watch(asked.session, "ada").await.unwrap();
    tokio::time::advance(sessions.config().ttl).await;
    assert_eq!(next(&mut watcher).await, "elicit say");
    assert_eq!(next(&mut watcher).await, format!("error {}", Failure::Expired));
    let answer = Json::from(&accept(json!({ "text": "too late" })));
    let late = sessions.respond(asked.session, "say", answer.clone(), ada()).await;
    assert!(matches!(late, Err(RespondError::Session(CallError::UnknownSession(_)))), "{late:?}");

    // And before anybody has looked for sessions that are over.
    let config = SessionsConfig { upkeep_interval: Duration::from_hours(1000), ..SessionsConfig::default() };
    let tools = sessions.tools().as_ref().clone();
    let sessions = Sessions::start(&scope, tools, MemoryStorage::new(), config).unwrap();
    // Until it has looked for the first time.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let asked = input(sessions.call(Call::tool("ask", &json!({})), ada()).await.unwrap());
    tokio::time::advance(sessions.config().ttl + Duration::from_secs(1)).await;
    let late = sessions.respond(asked.session, "say", answer, ada()).await;
    assert!(matches!(late, Err(RespondError::Expired)), "{late:?}");
    scope.halt().await;
}
