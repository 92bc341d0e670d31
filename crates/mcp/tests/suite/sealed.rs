//! Sessions that travel in `requestState`: servers that store nothing and share a key.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ostler_mcp::{Authorizer, EndpointConfig, JwksSource, KeyRing};
use ostler_tools::{Prompt, Tool, ToolContext, ToolResult, Tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth;
use crate::stage::{Reply, Request, Stage};

/// A trip of some legs, each of which is asked for.
#[derive(Deserialize, JsonSchema)]
struct Trip {
    legs: u32,
    /// How long the offers for each leg are, in bytes. They hardly become shorter when they are compressed.
    #[serde(default)]
    offers: usize,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Pick {
    flight: String,
}

async fn travel(ctx: ToolContext, trip: Trip, booked: Arc<AtomicU32>) -> ToolResult<String> {
    let mut flights = Vec::new();
    for leg in 0..trip.legs {
        ctx.step("offers", || async { Ok::<_, String>(noise(leg, trip.offers)) }).await?;
        let pick: Pick = ctx.elicit("pick", Prompt::new("Which flight?")).await?.required("pick")?;
        let flight = pick.flight.clone();
        let book = || async {
            booked.fetch_add(1, Ordering::SeqCst);
            Ok::<_, String>(format!("{flight}!"))
        };
        flights.push(ctx.step("book", book).await?);
    }
    Ok(flights.join(" "))
}

async fn naps(ctx: ToolContext, _: Trip) -> ToolResult<String> {
    ctx.sleep("nap", Duration::from_millis(1)).await?;
    Ok("slept".into())
}

/// Text without a pattern.
fn noise(seed: u32, length: usize) -> String {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (b'!' + u8::try_from((state >> 33) % 90).unwrap()) as char
    };
    (0..length).map(|_| next()).filter(|letter| !matches!(letter, '"' | '\\')).collect()
}

fn tools(booked: &Arc<AtomicU32>) -> Tools {
    let booked = Arc::clone(booked);
    let travel = Tool::new("travel", move |ctx, trip| travel(ctx, trip, Arc::clone(&booked)));
    Tools::new().tool(travel.elicits::<Pick>("pick")).tool(Tool::new("naps", naps))
}

async fn stage(keys: &KeyRing) -> Stage {
    Stage::sealed(tools(&Arc::default()), keys.clone(), EndpointConfig::default()).await
}

fn travel_of(legs: u32) -> Value {
    json!({ "name": "travel", "arguments": { "legs": legs } })
}

/// The call `params` again, with the state of `asked` and `flight` for whatever it asks.
fn again(mut params: Value, asked: &Value, flight: &str) -> Value {
    let answer = json!({ "action": "accept", "content": { "flight": flight } });
    let keys = asked["inputRequests"].as_object().unwrap().keys();
    params["inputResponses"] = keys.map(|key| (key.clone(), answer.clone())).collect();
    params["requestState"] = asked["requestState"].clone();
    params
}

fn text(reply: &Reply) -> String {
    reply.result()["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

/// Writes a key file with keys of these ids.
fn key_file(path: &Path, ids: &[u8]) {
    let key = |id: &u8| json!({ "id": id, "key": data_encoding::BASE64.encode(&[*id; 32]) });
    let keys: Vec<_> = ids.iter().map(key).collect();
    std::fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
}

#[tokio::test]
async fn servers_that_share_a_key_alone_take_turns_at_a_call() {
    let directory = tempfile::tempdir().unwrap();
    let files = ["one.json", "two.json"].map(|name| directory.path().join(name));
    files.iter().for_each(|file| key_file(file, &[7]));
    let booked = Arc::default();
    let mut stages = Vec::new();
    for file in &files {
        let keys = KeyRing::shared(file).unwrap();
        stages.push(Stage::sealed(tools(&booked), keys, EndpointConfig::default()).await);
    }
    let mut asked = stages[0].ask("tools/call", travel_of(9)).await.result();
    for leg in 1..9 {
        let params = again(travel_of(9), &asked, &format!("F{leg}"));
        let next = stages[leg % 2].ask("tools/call", params).await.result();
        assert_ne!(next["requestState"], asked["requestState"]);
        asked = next;
    }
    let last = stages[1].ask("tools/call", again(travel_of(9), &asked, "F9")).await;
    assert_eq!(text(&last), "F1! F2! F3! F4! F5! F6! F7! F8! F9!");
    // Each leg was booked where it was picked, and never again.
    assert_eq!(booked.load(Ordering::SeqCst), 9);
    for stage in stages {
        let status = stage.sessions.status();
        assert_eq!((status.parked, status.busy, status.parked_bytes), (0, 0, 0));
        stage.close().await;
    }
}

#[tokio::test]
async fn retries_at_the_same_time_each_go_on() {
    let booked = Arc::default();
    let keys = KeyRing::ephemeral();
    let stage = Stage::sealed(tools(&booked), keys, EndpointConfig::default()).await;
    let asked = stage.ask("tools/call", travel_of(1)).await.result();
    let params = again(travel_of(1), &asked, "F1");
    let (one, two) =
        tokio::join!(stage.ask("tools/call", params.clone()), stage.ask("tools/call", params.clone()));
    assert_eq!((text(&one), text(&two)), ("F1!".into(), "F1!".into()));
    assert_eq!(text(&stage.ask("tools/call", again(travel_of(1), &asked, "F2")).await), "F2!");
    assert_eq!(booked.load(Ordering::SeqCst), 3);
    stage.close().await;
}

#[tokio::test]
async fn a_session_that_was_changed_or_belongs_elsewhere_is_refused() {
    let keys = KeyRing::ephemeral();
    let stage = stage(&keys).await;
    let asked = stage.ask("tools/call", travel_of(1)).await.result();
    let mut bytes = BASE64URL_NOPAD.decode(asked["requestState"].as_str().unwrap().as_bytes()).unwrap();
    let refused = "the requestState is not one of this call";
    for place in [0, 1, 5, 29, bytes.len() - 1] {
        bytes[place] ^= 1;
        let mut params = again(travel_of(1), &asked, "F1");
        params["requestState"] = BASE64URL_NOPAD.encode(&bytes).into();
        assert_eq!(message(&stage.ask("tools/call", params).await), refused, "{place}");
        bytes[place] ^= 1;
    }
    let mut cut = again(travel_of(1), &asked, "F1");
    cut["requestState"] = BASE64URL_NOPAD.encode(&bytes[..bytes.len() / 2]).into();
    let other_arguments = again(travel_of(2), &asked, "F1");
    let mut other_tool = again(travel_of(1), &asked, "F1");
    other_tool["name"] = "naps".into();
    for params in [cut, other_arguments, other_tool] {
        assert_eq!(message(&stage.ask("tools/call", params).await), refused);
    }

    // Neither does a server with another key take it, nor one with a store, nor does this one take the state of one that has a store.
    let strangers = self::stage(&KeyRing::ephemeral()).await;
    let own = again(travel_of(1), &asked, "F1");
    assert_eq!(message(&strangers.ask("tools/call", own.clone()).await), refused);
    let stored =
        Stage::with(ostler_tools::MemoryStorage::new(), keys.clone(), EndpointConfig::default()).await;
    stored.sessions.offer(tools(&Arc::default()));
    assert_eq!(message(&stored.ask("tools/call", own.clone()).await), refused);
    let kept = stored.ask("tools/call", travel_of(1)).await.result();
    assert_eq!(message(&stage.ask("tools/call", again(travel_of(1), &kept, "F1")).await), refused);
    assert_eq!(text(&stage.ask("tools/call", own).await), "F1!");
    for stage in [stage, strangers, stored] {
        stage.close().await;
    }
}

#[tokio::test]
async fn a_session_is_its_principals_wherever_it_travels() {
    let (folder, key) = (tempfile::tempdir().unwrap(), auth::Key::es256("one"));
    let jwks = auth::config(JwksSource::File(auth::file(&folder, &[&key])));
    let authorizer = Arc::new(Authorizer::open(jwks).await.unwrap());
    let config = || EndpointConfig { auth: Some(Arc::clone(&authorizer)), ..EndpointConfig::default() };
    let keys = KeyRing::ephemeral();
    let one = Stage::sealed(tools(&Arc::default()), keys.clone(), config()).await;
    let two = Stage::sealed(tools(&Arc::default()), keys, config()).await;
    let [ada, eve] = ["ada", "eve"].map(|name| key.sign(&auth::claims(json!({ "sub": name }))));
    let ask = |params: Value| Request::new("tools/call", params);
    let asked = auth::with(&one, ask(travel_of(1)), &ada).await.result();
    let stolen = auth::with(&two, ask(again(travel_of(1), &asked, "F1")), &eve).await;
    let made_up = json!({ "requestState": "made up", "inputRequests": asked["inputRequests"] });
    let made_up = auth::with(&two, ask(again(travel_of(1), &made_up, "F1")), &eve).await;
    assert_eq!((stolen.status, &stolen.body), (made_up.status, &made_up.body));
    assert_eq!(text(&auth::with(&two, ask(again(travel_of(1), &asked, "F1")), &ada).await), "F1!");
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn a_session_that_has_expired_is_told_from_one_that_is_none() {
    let config = EndpointConfig { state_ttl: Duration::ZERO, ..EndpointConfig::default() };
    let stage = Stage::sealed(tools(&Arc::default()), KeyRing::ephemeral(), config).await;
    let asked = stage.ask("tools/call", travel_of(1)).await.result();
    let reply = stage.ask("tools/call", again(travel_of(1), &asked, "F1")).await;
    assert_eq!(message(&reply), "the requestState has expired");
    stage.close().await;
}

#[tokio::test]
async fn a_session_that_is_too_large_to_travel_is_an_error_that_names_the_tool_and_the_bound() {
    let config = EndpointConfig { max_state: 4096, ..EndpointConfig::default() };
    let stage = Stage::sealed(tools(&Arc::default()), KeyRing::ephemeral(), config).await;
    let of = |offers: usize| json!({ "name": "travel", "arguments": { "legs": 2, "offers": offers } });
    let small = stage.ask("tools/call", of(1000)).await.result();
    assert!(small["requestState"].as_str().unwrap().len() <= 4096);
    assert!(stage.ask("tools/call", again(of(1000), &small, "F1")).await.json().get("result").is_some());
    let reply = stage.ask("tools/call", of(5000)).await;
    assert_eq!((reply.status, reply.code()), (200, -32603));
    let told = message(&reply);
    assert!(told.starts_with("the session of `travel` is too large for its client to carry: "), "{told}");
    assert!(told.ends_with(" bytes, and at most 4096 are allowed"), "{told}");

    // What comes is not even looked at beyond the bound.
    let mut large = again(of(1000), &small, "F1");
    large["requestState"] = "A".repeat(4097).into();
    assert_eq!(message(&stage.ask("tools/call", large).await), "the requestState is not one of this call");
    stage.close().await;
}

#[tokio::test]
async fn a_copied_key_file_is_rotated_by_whoever_has_copied_it() {
    let directory = tempfile::tempdir().unwrap();
    let files = ["one.json", "two.json"].map(|name| directory.path().join(name));
    files.iter().for_each(|file| key_file(file, &[1]));
    let rings = files.each_ref().map(|file| KeyRing::shared(file).unwrap());
    let [one, two] = [stage(&rings[0]).await, stage(&rings[1]).await];
    let before = one.ask("tools/call", travel_of(3)).await.result();

    // First each learns the new key, then each seals with it, one after the other.
    for ids in [&[1, 2], &[2, 1]] {
        for (file, ring) in files.iter().zip(&rings) {
            key_file(file, ids);
            ring.refresh().unwrap();
            let asked = one.ask("tools/call", again(travel_of(3), &before, "F1")).await.result();
            let asked = two.ask("tools/call", again(travel_of(3), &asked, "F2")).await.result();
            assert_eq!(text(&one.ask("tools/call", again(travel_of(3), &asked, "F3")).await), "F1! F2! F3!");
        }
    }
    let written = std::fs::read_to_string(&files[0]).unwrap();
    key_file(&files[1], &[2, 1]);
    assert_eq!(written, std::fs::read_to_string(&files[1]).unwrap());

    // One that is not there is not made, and none without keys or with a key twice is taken.
    let absent = directory.path().join("absent.json");
    assert!(KeyRing::shared(&absent).unwrap_err().to_string().ends_with("absent.json cannot be read"));
    assert!(!absent.exists());
    key_file(&absent, &[]);
    assert!(KeyRing::shared(&absent).unwrap_err().to_string().ends_with("there is no key in it"));
    key_file(&absent, &[1, 1]);
    assert!(KeyRing::shared(&absent).unwrap_err().to_string().ends_with("two keys have the same id"));
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn what_needs_a_store_is_refused_on_the_wire() {
    let stage = stage(&KeyRing::ephemeral()).await;
    let reply = stage.ask("tools/call", json!({ "name": "naps", "arguments": { "legs": 0 } })).await;
    assert_eq!(reply.json()["error"]["data"], json!({ "kind": "needs_store" }));
    assert_eq!(message(&reply), "`sleep` needs a store, and there is none");

    // No tasks are offered, nor found.
    let discovered = stage.ask("server/discover", json!({})).await.result();
    assert!(discovered["capabilities"].get("extensions").is_none(), "{discovered}");

    // A client of a revision with sessions is told which one to speak.
    let introduction = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": introduction });
    let request = Request::new("initialize", json!({})).without("mcp-protocol-version");
    let reply = request.body(body.to_string()).send(stage.address).await;
    assert_eq!((reply.status, reply.code()), (400, -32022));
    assert_eq!(reply.json()["error"]["data"]["supported"], json!(["2026-07-28"]));
    assert!(message(&reply).contains("which need a store"), "{reply:?}");
    stage.close().await;
}
