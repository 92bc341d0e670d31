//! Calls that go on without their request, and whoever follows them.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::convert::Infallible;
use std::time::Duration;

use futures::FutureExt;
use ostler_scope::Scope;
use ostler_tools::{
    Attempt, Call, CallError, Capabilities, ClientId, ContextError, Elicited, Follower, Json, ListQuery,
    LogLevel, MemoryStorage, Origin, Progress, Prompt, Reply, RespondError, Sampling, SessionEvent,
    SessionEventKind, SessionId, Sessions, SessionsConfig, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::flight::start;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Name {
    pub(crate) name: String,
}

/// Tells, works, asks two things at once, tells, works.
async fn greet(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    ctx.progress(Progress::at(1.0)).await;
    let greeting = ctx.step("look up", async || Ok::<_, Infallible>("Hello".to_owned())).await?;
    ctx.progress(Progress::at(2.0).message("looked up")).await;
    ctx.log(LogLevel::Info, "about to ask").await;
    let (name, tip) = futures::try_join!(
        ctx.elicit::<Name>("name", Prompt::new("Who are you?")),
        ctx.sample("tip", Sampling::new("A tip?").max_tokens(10)),
    )?;
    ctx.progress(Progress::at(3.0)).await;
    let name = name.required("name")?.name;
    let greeting = ctx
        .step("greet", async || Ok::<_, Infallible>(format!("{greeting}, {name}! {}", tip.text())))
        .await?;
    ctx.progress(Progress::at(4.0)).await;
    Ok(greeting)
}

async fn at_once(_: ToolContext, _: Nothing) -> ToolResult<String> {
    Ok("done".into())
}

/// What came of a refusal, in words.
async fn refused(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    match ctx.sample("tip", Sampling::new("A tip?").max_tokens(10)).await {
        Err(error) => match error.cause() {
            Some(ContextError::Refused { key, reason }) => Ok(format!("{key}: {reason}")),
            _ => Err(error),
        },
        Ok(sampled) => Ok(sampled.text()),
    }
}

/// What comes of two refusals, in words.
async fn twice_refused(ctx: ToolContext, none: Nothing) -> ToolResult<String> {
    let name = ctx.elicit::<Name>("name", Prompt::new("Who are you?")).await?;
    let name = if matches!(name, Elicited::Cancelled) { "nobody" } else { "somebody" };
    Ok(format!("{name}, {}", refused(ctx, none).await?))
}

async fn chatty(ctx: ToolContext, _: Nothing) -> ToolResult<String> {
    for at in 1..=100_u8 {
        ctx.progress(Progress::at(at.into())).await;
    }
    ctx.sample("tip", Sampling::new("A tip?").max_tokens(10)).await.map(|tip| tip.text())
}

pub(crate) fn tools() -> Tools {
    Tools::new()
        .tool(Tool::new("greet", greet).elicits::<Name>("name"))
        .tool(Tool::new("at_once", at_once))
        .tool(Tool::new("refused", refused))
        .tool(Tool::new("twice_refused", twice_refused).elicits::<Name>("name"))
        .tool(Tool::new("chatty", chatty))
}

pub(crate) fn ada() -> Attempt {
    let attempt = Attempt::anonymous().with(Capabilities::ALL);
    Attempt { principal: "ada".into(), log_level: Some(LogLevel::Info), ..attempt }
}

pub(crate) fn call(tool: &str, client: ClientId) -> Call {
    Call::tool(tool, &json!({})).of(Origin { client, request: Json::of(&7).unwrap() })
}

async fn launch(sessions: &Sessions, tool: &str, client: ClientId) -> SessionId {
    match sessions.launch(call(tool, client), ada()).await.unwrap() {
        Reply::Task(session) => session,
        other => panic!("it does not go on: {other:?}"),
    }
}

/// An event in words.
pub(crate) fn told(event: &SessionEvent) -> String {
    let what = match &event.kind {
        SessionEventKind::Progress { progress, .. } => format!("at {progress}"),
        SessionEventKind::Log { data, .. } => data.as_str().to_owned(),
        SessionEventKind::ElicitRequest(question) | SessionEventKind::SampleRequest(question) => {
            question.key.clone()
        }
        SessionEventKind::Result(result) => result.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    format!("{} {what}", event.seq)
}

/// Answers what an event asks.
pub(crate) async fn answer(sessions: &Sessions, session: SessionId, event: &SessionEvent) {
    let (key, answer) = match &event.kind {
        SessionEventKind::ElicitRequest(question) => {
            (&question.key, json!({ "action": "accept", "content": { "name": "Ada" } }))
        }
        SessionEventKind::SampleRequest(question) => {
            let content = json!({ "type": "text", "text": "Rest." });
            (&question.key, json!({ "role": "assistant", "content": content, "model": "m" }))
        }
        _ => return,
    };
    // It may have been taken before a death of which the client knows nothing.
    let _ = sessions.respond(session, key, Json::from(&answer), ada()).await;
}

pub(crate) async fn to_the_end(
    sessions: &Sessions,
    session: SessionId,
    follower: &mut Follower,
) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = follower.next().await {
        all.push(told(&event));
        answer(sessions, session, &event).await;
    }
    all
}

const ALL: [&str; 8] = [
    "1 at 1",
    "2 at 2",
    "3 \"about to ask\"",
    "4 name",
    "5 tip",
    "6 at 3",
    "7 at 4",
    r#"8 {"content":[{"type":"text","text":"Hello, Ada! Rest."}]}"#,
];

pub(crate) fn all() -> Vec<String> {
    ALL.map(str::to_owned).to_vec()
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_hears_everything_in_order_and_whoever_comes_back_the_rest() {
    for max_parked_bytes in [usize::MAX, 0] {
        let scope = Scope::root("test").open().unwrap();
        let config = SessionsConfig { max_parked_bytes, ..SessionsConfig::default() };
        let sessions = Sessions::start(&scope, tools(), MemoryStorage::new(), config).unwrap();
        let session = launch(&sessions, "greet", ClientId::unique()).await;
        let mut follower = sessions.follow(session, "ada", 0).await.unwrap();
        assert_eq!(to_the_end(&sessions, session, &mut follower).await, all());
        for after in 0..=8 {
            let mut follower = sessions.follow(session, "ada", after).await.unwrap();
            let expected = all().split_off(usize::try_from(after).unwrap());
            assert_eq!(to_the_end(&sessions, session, &mut follower).await, expected);
        }
        scope.halt().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_ends_at_once_is_answered_at_once_and_leaves_nothing() {
    let scope = Scope::root("test").open().unwrap();
    let storage = MemoryStorage::new();
    let sessions = Sessions::start(&scope, tools(), storage, SessionsConfig::default()).unwrap();
    let launched = sessions.launch(call("at_once", ClientId::unique()), ada()).now_or_never();
    let Some(Ok(Reply::Done(result))) = launched else { panic!("it waits") };
    assert!(result.as_str().contains("done"));
    assert_eq!(sessions.list(ListQuery::default()).await.unwrap(), []);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn only_whose_it_is_follows_a_session_and_only_one_that_was_launched() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(), MemoryStorage::new());
    let client = ClientId::unique();
    let session = launch(&sessions, "greet", client).await;
    let unknown = |error: CallError| matches!(error, CallError::UnknownSession(_));
    assert!(unknown(sessions.follow(session, "eve", 0).await.unwrap_err()));
    assert!(unknown(sessions.follow(SessionId::unique(), "ada", 0).await.unwrap_err()));
    let Reply::Input(asked) = sessions.call(Call::tool("refused", &json!({})), ada()).await.unwrap() else {
        panic!("it asks")
    };
    assert!(unknown(sessions.follow(asked.session, "ada", 0).await.unwrap_err()));
    let query = ListQuery { client: Some(client), unfinished: true, ..ListQuery::default() };
    let found: Vec<_> = sessions.list(query).await.unwrap().into_iter().map(|one| one.session).collect();
    assert_eq!(found, [session]);
    let origin = sessions.follow(session, "ada", 0).await.unwrap().origin().clone();
    assert_eq!((origin.client, origin.request.as_str()), (client, "7"));
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_apart_from_a_client_that_cannot_answer() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(), MemoryStorage::new());
    let session = launch(&sessions, "refused", ClientId::unique()).await;
    let mut follower = sessions.follow(session, "ada", 0).await.unwrap();
    assert_eq!(told(&follower.next().await.unwrap()), "1 tip");
    sessions.refuse(session, "tip", "no".into(), ada()).await.unwrap();
    assert!(told(&follower.next().await.unwrap()).contains("tip: no"));
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_finds_its_session_parked_evicted_and_in_another_process() {
    for max_parked_bytes in [usize::MAX, 0] {
        let config = SessionsConfig { max_parked_bytes, ..SessionsConfig::default() };
        let storage = MemoryStorage::new();
        let scope = Scope::root("test").open().unwrap();
        let sessions = Sessions::start(&scope, tools(), storage.clone(), config.clone()).unwrap();
        let session = launch(&sessions, "twice_refused", ClientId::unique()).await;
        let mut follower = sessions.follow(session, "ada", 0).await.unwrap();
        assert_eq!(told(&follower.next().await.unwrap()), "1 name");
        sessions.refuse(session, "name", "no".into(), ada()).await.unwrap();
        assert_eq!(told(&follower.next().await.unwrap()), "2 tip");
        let again = sessions.refuse(session, "name", "no".into(), ada()).await.unwrap_err();
        assert!(matches!(again, RespondError::Settled { .. }), "{again}");
        drop(follower);
        scope.halt().await;

        let scope = Scope::root("test").open().unwrap();
        let sessions = Sessions::start(&scope, tools(), storage, config).unwrap();
        sessions.refuse(session, "tip", "neither".into(), ada()).await.unwrap();
        let mut follower = sessions.follow(session, "ada", 2).await.unwrap();
        assert!(told(&follower.next().await.unwrap()).contains("nobody, tip: neither"));
        scope.halt().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_a_call_that_is_followed_hears_of_its_progress() {
    let scope = Scope::root("test").open().unwrap();
    let sessions = start(&scope, tools(), MemoryStorage::new());
    let session = launch(&sessions, "greet", ClientId::unique()).await;
    let mut follower = sessions.follow(session, "ada", 3).await.unwrap();
    let questions = [follower.next().await.unwrap(), follower.next().await.unwrap()];
    let mut watcher = sessions.watch(session, "ada").await.unwrap();
    for question in &questions {
        answer(&sessions, session, question).await;
    }
    let mut heard = Vec::new();
    while let Some(event) = watcher.next().await {
        if let SessionEventKind::Progress { progress, .. } = event.kind {
            heard.push(progress);
        }
    }
    assert_eq!(heard, [3.0, 4.0]);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_tells_is_bounded() {
    let scope = Scope::root("test").open().unwrap();
    let config = SessionsConfig { max_events: 3, ..SessionsConfig::default() };
    let sessions = Sessions::start(&scope, tools(), MemoryStorage::new(), config).unwrap();
    let session = launch(&sessions, "chatty", ClientId::unique()).await;
    let mut follower = sessions.follow(session, "ada", 0).await.unwrap();
    let events = to_the_end(&sessions, session, &mut follower).await;
    assert_eq!(events[..4], ["1 at 1", "2 at 2", "3 at 3", "4 tip"]);
    assert_eq!(events.len(), 5);
    assert_eq!(sessions.status().untold, 97);
    scope.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_expires_or_is_cancelled_says_so_to_whoever_follows() {
    let scope = Scope::root("test").open().unwrap();
    let config = SessionsConfig { ttl: Duration::from_secs(60), ..SessionsConfig::default() };
    let sessions = Sessions::start(&scope, tools(), MemoryStorage::new(), config).unwrap();
    let cancelled = launch(&sessions, "refused", ClientId::unique()).await;
    let mut follower = sessions.follow(cancelled, "ada", 0).await.unwrap();
    assert_eq!(told(&follower.next().await.unwrap()), "1 tip");
    sessions.cancel_own(cancelled, "ada").await.unwrap();
    assert_eq!(follower.next().await.unwrap().kind, SessionEventKind::Cancelled);
    let expired = launch(&sessions, "refused", ClientId::unique()).await;
    let mut follower = sessions.follow(expired, "ada", 0).await.unwrap();
    assert_eq!(told(&follower.next().await.unwrap()), "1 tip");
    assert!(told(&follower.next().await.unwrap()).contains("Expired"));
    assert_eq!(follower.next().await, None);
    scope.halt().await;
}
