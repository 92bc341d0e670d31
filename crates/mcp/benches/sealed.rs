//! How long it takes from an answer that brings its session along to the tool's next poll: reading the request, opening the state,
//! decompressing and reading the journal, and replaying the tool.
//!
//! `cargo bench -p ostler-mcp --bench sealed [-- --quick]`. Requests come over streams in memory, so that no connection is within
//! these times.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails has nothing to say")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
use ostler_scope::Scope;
use ostler_tools::{
    Attempt, Call, Capabilities, Prompt, Reply, Sessions, SessionsConfig, Tool, ToolContext, ToolResult,
    Tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex,
};
use tokio::time::Instant;

/// When the tool went on with its answer.
static WENT_ON: Mutex<Option<Instant>> = Mutex::new(None);

/// What the tool does before it asks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
struct Past {
    steps: u32,
    /// Bytes that each step gives.
    each: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Sure {
    sure: bool,
}

/// Words in no order, as in what people and services write.
fn text(seed: u64, length: usize) -> String {
    const WORDS: [&str; 16] = [
        "flight",
        "seat",
        "window",
        "departs",
        "at",
        "from",
        "to",
        "price",
        "EUR",
        "Rome",
        "Berlin",
        "09:40",
        "17",
        "available",
        "economy",
        "no",
    ];
    let mut state = seed + 1;
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[usize::try_from(state >> 60).unwrap()]);
        text.push_str(&format!(" {} ", state >> 48 & 0xfff));
    }
    text
}

async fn ask(ctx: ToolContext, past: Past) -> ToolResult<bool> {
    for n in 0..past.steps {
        ctx.step("step", || async { Ok::<_, String>(text(n.into(), past.each)) }).await?;
    }
    let answer = ctx.elicit::<Sure>("sure", Prompt::new("Are you sure?")).await?;
    *WENT_ON.lock().unwrap() = Some(Instant::now());
    Ok(answer.accepted().is_some_and(|answer| answer.sure))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scope = Scope::root("bench").open().unwrap();
    let tools = || Tools::new().tool(Tool::new("ask", ask).elicits::<Sure>("sure"));
    let sealed = || Sessions::start_sealed(&scope, tools(), SessionsConfig::default()).unwrap();
    let keys = KeyRing::ephemeral();
    println!("| steps before | journal KiB | state KiB | answers | p50 µs | p99 µs |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for (steps, each, count) in
        [(0, 0, 5000), (1, 16_000, 2000), (16, 930, 2000), (100, 70, 2000), (64, 950, 500)]
    {
        let (past, count) = (Past { steps, each }, if quick { 20 } else { count });
        let journal = journal_of(&sealed(), past).await;
        // One asks, the other answers: they have the keys in common.
        let [mut one, mut other] =
            [(); 2].map(|()| Client::of(Endpoint::new(sealed(), keys.clone(), EndpointConfig::default())));
        let mut times = Vec::new();
        let mut state = 0;
        for _ in 0..count {
            let asked = one.call(past, None).await;
            state = asked["requestState"].as_str().unwrap().len();
            let began = Instant::now();
            other.call(past, Some(&asked)).await;
            times.push(WENT_ON.lock().unwrap().take().unwrap() - began);
        }
        report(past, journal, state, times);
    }
    assert!(scope.halt().await.is_clean());
}

fn report(past: Past, journal: usize, state: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    let count = times.len();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let (p50, p99) = (micros(times[count / 2]), micros(times[count * 99 / 100]));
    let kib = |bytes: usize| bytes as f64 / 1024.0;
    let (steps, journal, state) = (past.steps, kib(journal), kib(state));
    println!("| {steps} | {journal:.1} | {state:.1} | {count} | {p50:.1} | {p99:.1} |");
}

/// How long the journal is as text.
async fn journal_of(sessions: &Sessions, past: Past) -> usize {
    let attempt = Attempt::anonymous().with(Capabilities::ALL);
    match sessions.call(Call::tool("ask", &past), attempt).await.unwrap() {
        Reply::Input(asked) => serde_json::to_string(&asked.journal).unwrap().len(),
        other => panic!("it asks: {other:?}"),
    }
}

/// The one client of an endpoint.
struct Client {
    requests: WriteHalf<DuplexStream>,
    answers: Lines<BufReader<ReadHalf<DuplexStream>>>,
}

impl Client {
    fn of(endpoint: Endpoint) -> Self {
        const ROOM: usize = 1 << 20;
        let (near, far) = duplex(ROOM);
        let (input, output) = tokio::io::split(far);
        tokio::spawn(async move { Arc::new(endpoint).serve_stdio(input, output, ROOM).await.unwrap() });
        let (answers, requests) = tokio::io::split(near);
        Self { requests, answers: BufReader::new(answers).lines() }
    }

    /// Calls, or answers what was `asked`.
    async fn call(&mut self, past: Past, asked: Option<&Value>) -> Value {
        let mut params = json!({
            "name": "ask", "arguments": past,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
            },
        });
        if let Some(asked) = asked {
            params["requestState"] = asked["requestState"].clone();
            params["inputResponses"] = json!({ "sure": { "action": "accept", "content": { "sure": true } } });
        }
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        self.requests.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let answer: Value = serde_json::from_str(&self.answers.next_line().await.unwrap().unwrap()).unwrap();
        let result = answer["result"].clone();
        let expected = if asked.is_some() { "complete" } else { "input_required" };
        assert_eq!(result["resultType"], expected, "{answer}");
        result
    }
}
