//! A tool that does a little of everything, and what tests need to run it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use ostler_scope::Scope;
use ostler_tools::{
    Attempt, Call, Capabilities, Elicited, InputRequired, JournalStorage, Json, Prompt, Reply, Sampling,
    Sessions, SessionsConfig, StepKey, Tool, ToolContext, ToolResult, Tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Trip {
    pub(crate) to: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Pick {
    pub(crate) flight: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Seat {
    #[schemars(range(min = 1, max = 40))]
    pub(crate) row: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Booking {
    pub(crate) flight: String,
    pub(crate) row: u32,
    pub(crate) tip: String,
    pub(crate) number: String,
}

/// How often the steps have run.
#[derive(Clone, Default)]
pub(crate) struct Effects {
    pub(crate) searched: Arc<AtomicU32>,
    pub(crate) held: Arc<AtomicU32>,
    pub(crate) charged: Arc<AtomicU32>,
    /// By what those who are paid know the payments.
    pub(crate) keys: Arc<Mutex<HashSet<String>>>,
}

impl Effects {
    pub(crate) fn count(counter: &AtomicU32) -> u32 {
        counter.load(Ordering::SeqCst)
    }
}

/// How the flight is paid for.
#[derive(Clone, Copy)]
enum Charge {
    /// At most once.
    Once,
    /// By somebody who knows the step again by its key.
    Keyed,
}

async fn book(ctx: ToolContext, trip: Trip, effects: Effects, charge: Charge) -> ToolResult<Booking> {
    let flights: Vec<String> = ctx
        .step("search", || async {
            effects.searched.fetch_add(1, Ordering::SeqCst);
            Ok::<_, String>(vec![format!("{}-1", trip.to), format!("{}-2", trip.to)])
        })
        .await?;
    let prompt = Prompt::new("Which flight?").context(&flights).choices("flight", flights.clone());
    let pick: Pick = ctx.elicit("pickFlight", prompt).await?.required("pickFlight")?;
    ctx.step("hold", || async {
        effects.held.fetch_add(1, Ordering::SeqCst);
        Ok::<_, String>(())
    })
    .await?;
    let seat = ctx.elicit::<Seat>("pickSeat", Prompt::new("Which row?"));
    let (seat, tip) = futures::try_join!(seat, ctx.sample("tip", Sampling::new("A tip for the trip?")))?;
    let Elicited::Accepted(seat) = seat else {
        return Err(ostler_tools::ToolError::new("no seat, no flight"));
    };
    let number = ctx.uuid();
    let charging = |key: StepKey| async move {
        effects.charged.fetch_add(1, Ordering::SeqCst);
        effects.keys.lock().expect("nobody panics with it").insert(key.to_string());
        Ok::<_, String>(())
    };
    match charge {
        Charge::Once => ctx.step_once("charge", charging).await?,
        Charge::Keyed => ctx.step("charge", charging).await?,
    }
    Ok(Booking { flight: pick.flight, row: seat.row, tip: tip.text(), number: number.to_string() })
}

pub(crate) fn tools(effects: &Effects) -> Tools {
    paid(effects, Charge::Once)
}

/// The same for where there is no store.
pub(crate) fn keyed_tools(effects: &Effects) -> Tools {
    paid(effects, Charge::Keyed)
}

fn paid(effects: &Effects, charge: Charge) -> Tools {
    let effects = effects.clone();
    let tool = Tool::new("book", move |ctx, trip| book(ctx, trip, effects.clone(), charge));
    Tools::new().tool(tool.elicits::<Pick>("pickFlight").elicits::<Seat>("pickSeat"))
}

pub(crate) fn start(scope: &Scope, tools: Tools, storage: impl JournalStorage) -> Sessions {
    Sessions::start(scope, tools, storage, SessionsConfig::default()).expect("the scope is open")
}

pub(crate) fn ada() -> Attempt {
    Attempt { principal: Arc::from("ada"), ..Attempt::anonymous().with(Capabilities::ALL) }
}

pub(crate) fn to_rome() -> Call {
    Call::tool("book", &json!({ "to": "Rome" }))
}

pub(crate) fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

pub(crate) fn says(text: &str) -> Value {
    json!({ "role": "assistant", "content": { "type": "text", "text": text }, "model": "test" })
}

/// What the user and the model answer to each question of the tool.
pub(crate) fn answers(asked: &InputRequired) -> HashMap<String, Json> {
    let answer = |key: &str| match key {
        "pickFlight" => accept(json!({ "flight": "Rome-2" })),
        "pickSeat" => accept(json!({ "row": 12 })),
        "tip" => says("take a coat"),
        other => panic!("nobody asks {other}"),
    };
    asked
        .questions
        .iter()
        .map(|question| (question.key.clone(), Json::from(&answer(&question.key))))
        .collect()
}

pub(crate) fn given(answers: &[(&str, Value)]) -> HashMap<String, Json> {
    answers.iter().map(|(key, value)| ((*key).to_owned(), Json::from(value))).collect()
}

pub(crate) fn input(reply: Reply) -> InputRequired {
    match reply {
        Reply::Input(asked) => asked,
        other => panic!("not a question: {other:?}"),
    }
}

pub(crate) fn done(reply: Reply) -> Value {
    match reply {
        Reply::Done(result) => result.read().expect("a result is an object"),
        other => panic!("not a result: {other:?}"),
    }
}

pub(crate) fn keys(asked: &InputRequired) -> Vec<&str> {
    asked.questions.iter().map(|question| question.key.as_str()).collect()
}
