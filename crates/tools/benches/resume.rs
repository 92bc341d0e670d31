//! How long it takes from an answer to the tool's next poll: of a parked tool, and of one that is replayed from its journal
//! after more and more steps.
//!
//! `cargo bench -p ostler-tools --bench resume [-- --quick]`. What the answer adds to the journal is written after that poll,
//! so no commit is within these times; reading the journal is.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails has nothing to say")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::try_join_all;
use ostler_journal::{Entry, Seq};
use ostler_scope::Scope;
use ostler_store::{SqliteConfig, SqliteStorage};
use ostler_tools::{
    Answer, Attempt, Call, Capabilities, Fence, InputRequired, JournalStorage, Json, MemoryStorage, Prompt,
    Reply, Sessions, SessionsConfig, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

/// When the tool went on with its answer.
static WENT_ON: Mutex<Option<Instant>> = Mutex::new(None);

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
enum Order {
    /// One after another, all of the same name.
    OneByOne,
    /// One after another, each of a name of its own.
    Named,
    /// All at once.
    AtOnce,
}

/// What the tool does before it asks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
struct Past {
    steps: u32,
    order: Order,
}

#[derive(Deserialize, JsonSchema)]
struct Sure {
    sure: bool,
}

async fn ask(ctx: ToolContext, past: Past) -> ToolResult<bool> {
    let step = |name: String, n: u32| ctx.step(name, async move || Ok::<_, Infallible>(n));
    match past.order {
        Order::OneByOne => {
            for n in 0..past.steps {
                step("step".into(), n).await?;
            }
        }
        Order::Named => {
            for n in 0..past.steps {
                step(format!("step {n}"), n).await?;
            }
        }
        Order::AtOnce => {
            try_join_all((0..past.steps).map(|n| step("step".into(), n))).await?;
        }
    }
    let answer = ctx.elicit::<Sure>("sure", Prompt::new("Are you sure?")).await?;
    *WENT_ON.lock().unwrap() = Some(Instant::now());
    Ok(answer.accepted().is_some_and(|answer| answer.sure))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scope = Scope::root("bench").open().unwrap();
    println!("| way back | steps before | order | answers | p50 µs | p99 µs | p50 ns a step |");
    println!("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    for (steps, order, count) in [
        (0, Order::OneByOne, 5000),
        (3, Order::OneByOne, 1000),
        (100, Order::OneByOne, 300),
        (1000, Order::OneByOne, 50),
        (10_000, Order::OneByOne, 10),
        (1000, Order::Named, 50),
        (10_000, Order::Named, 10),
        (1000, Order::AtOnce, 50),
        (10_000, Order::AtOnce, 5),
    ] {
        let past = Past { steps, order };
        let count = if quick { (count / 50).max(3) } else { count };
        report("live", past, live(&scope, past, count).await);
        report("journal in memory", past, memory(&scope, past, count).await);
        report("journal in SQLite", past, sqlite(&scope, past, count.min(300)).await);
    }
    assert!(scope.halt().await.is_clean());
}

fn report(way: &str, past: Past, mut times: Vec<Duration>) {
    times.sort_unstable();
    let count = times.len();
    let (p50, p99) = (times[count / 2], times[count * 99 / 100]);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let order = match past.order {
        Order::OneByOne => "one by one",
        Order::Named => "one by one, each named otherwise",
        Order::AtOnce => "all at once",
    };
    let each = match past.steps {
        0 => "–".into(),
        steps => format!("{:.0}", micros(p50) * 1e3 / f64::from(steps)),
    };
    let (p50, p99, steps) = (micros(p50), micros(p99), past.steps);
    println!("| {way} | {steps} | {order} | {count} | {p50:.1} | {p99:.1} | {each} |");
}

async fn live(scope: &Scope, past: Past, count: usize) -> Vec<Duration> {
    let sessions = sessions(scope, MemoryStorage::new());
    let mut times = Vec::new();
    for _ in 0..count {
        let asked = call(&sessions, past).await;
        times.push(answer(&sessions, &asked).await);
    }
    assert_eq!(sessions.status().resumed_live, count as u64);
    times
}

/// Answered by somebody who has nothing but the journal.
async fn memory(scope: &Scope, past: Past, count: usize) -> Vec<Duration> {
    let storage = MemoryStorage::new();
    let (callers, others) = (sessions(scope, storage.clone()), sessions(scope, storage));
    let mut times = Vec::new();
    for _ in 0..count {
        let asked = call(&callers, past).await;
        times.push(answer(&others, &asked).await);
    }
    assert_eq!(others.status().resumed_from_journal, count as u64);
    times
}

async fn sqlite(scope: &Scope, past: Past, count: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let scope = scope.child("store").open().unwrap();
    let config = SqliteConfig::at(folder.path().join("ostler.db"));
    let store = SqliteStorage::open(&scope, config).await.unwrap();
    let written = MemoryStorage::new();
    let (callers, others) = (sessions(&scope, written.clone()), sessions(&scope, store.clone()));
    let mut times = Vec::new();
    for _ in 0..count {
        let asked = call(&callers, past).await;
        // Copied at a stroke. As it came about it would be a commit for each step.
        let (session, at) = (asked.session, callers.clock().now());
        let events = written.load(session).await.unwrap();
        let entry = |(event, place)| Entry { session, seq: Seq::new(place), at, wake: None, event };
        let batch = events.into_iter().zip(0..).map(|event| (Fence::LOCAL, entry(event))).collect();
        assert!(store.append(batch).await.unwrap().iter().all(Result::is_ok));
        times.push(answer(&others, &asked).await);
    }
    assert_eq!(others.status().resumed_from_journal, count as u64);
    assert!(scope.halt().await.is_clean());
    times
}

fn sessions(scope: &Scope, storage: impl JournalStorage) -> Sessions {
    let tools = Tools::new().tool(Tool::new("ask", ask).elicits::<Sure>("sure"));
    let config = SessionsConfig { max_sessions_per_principal: 1_000_000, ..SessionsConfig::default() };
    Sessions::start(scope, tools, storage, config).unwrap()
}

async fn call(sessions: &Sessions, past: Past) -> InputRequired {
    match sessions.call(Call::tool("ask", &past), attempt()).await.unwrap() {
        Reply::Input(asked) => asked,
        other => panic!("it asks: {other:?}"),
    }
}

/// Answers, and says how long it took until the tool went on.
async fn answer(sessions: &Sessions, asked: &InputRequired) -> Duration {
    let yes = Json::of(&json!({ "action": "accept", "content": { "sure": true } })).unwrap();
    let answers = HashMap::from([("sure".into(), yes)]);
    let answer = Answer { session: asked.session, round: asked.round, call: None, answers };
    let attempt = attempt();
    let began = Instant::now();
    let reply = sessions.answer(answer, attempt).await.unwrap();
    let went_on = WENT_ON.lock().unwrap().take().unwrap();
    let Reply::Done(result) = reply else { panic!("it has all it needs: {reply:?}") };
    assert!(result.as_str().contains("true"), "{result:?}");
    went_on - began
}

fn attempt() -> Attempt {
    Attempt::anonymous().with(Capabilities::ALL)
}
