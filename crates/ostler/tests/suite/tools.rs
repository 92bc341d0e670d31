//! The demo tools at the endpoint of a whole Ostler: over restarts, replacements and kills.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use ostler::tools::Call;
use ostler::tools::testing::Script;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler};
use crate::lineage::{adopt_orphans, replace};
use crate::raw::admin;

const LISTEN: [(&str, &str); 3] = [
    ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
    ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
    ("OSTLER_MCP__LISTEN", "127.0.0.1:0"),
];

pub(crate) fn up(directory: Directory) -> Ostler {
    Ostler::up(directory, &["up"], &LISTEN)
}

/// Where the endpoint listens.
pub(crate) fn endpoint(ostler: &Ostler) -> SocketAddr {
    let line = ostler.greeting.lines().find(|line| line.trim_start().starts_with("mcp")).unwrap();
    line.split_once("http://").unwrap().1.trim_end_matches("/mcp").parse().unwrap()
}

/// Calls a tool of a client that answers forms and asks its model, and gives the result.
pub(crate) fn call(address: SocketAddr, tool: &str, params: Value) -> Value {
    let message = try_call(address, tool, params).unwrap();
    assert!(message.get("result").is_some(), "{message}");
    message["result"].clone()
}

/// The same, with the whole message, for a server that may die meanwhile.
pub(crate) fn try_call(address: SocketAddr, tool: &str, mut params: Value) -> io::Result<Value> {
    params["name"] = tool.into();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {}, "sampling": {} },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(serde_json::from_str(body)?)
}

pub(crate) fn trip() -> Value {
    json!({ "from": "Berlin", "to": "Rome", "date": "2026-12-24" })
}

/// The answers to what `asked` asks.
pub(crate) fn answers(asked: &Value) -> Value {
    let answer = |key: &str| match key {
        "pickFlight" => json!({ "action": "accept", "content": { "flight": "RO243" } }),
        "pickSeat" => json!({ "action": "accept", "content": { "seat": "window", "meal": true } }),
        "tip" => json!({
            "role": "assistant", "content": { "type": "text", "text": "the old town" }, "model": "test" }),
        other => panic!("nobody asks {other}"),
    };
    asked["inputRequests"].as_object().unwrap().keys().map(|key| (key.clone(), answer(key))).collect()
}

/// Calls again with what `asked` wants.
pub(crate) fn go_on(address: SocketAddr, asked: &Value) -> Value {
    let params = json!({
        "arguments": trip(), "requestState": asked["requestState"], "inputResponses": answers(asked) });
    call(address, "book_flight", params)
}

pub(crate) fn assert_booked(result: &Value) {
    let booking = &result["structuredContent"];
    assert_eq!(
        [&booking["flight"], &booking["seat"], &booking["meal"], &booking["tip"]],
        [&json!("RO243"), &json!("window"), &json!(true), &json!("the old town")],
        "{result}"
    );
}

#[test]
fn a_booking_goes_on_after_a_kill_between_each_of_its_rounds() {
    let ostler = up(Directory::new());
    let first = call(endpoint(&ostler), "book_flight", json!({ "arguments": trip() }));
    assert_eq!(first["resultType"], "input_required");
    let sessions = admin(ostler.admin, "GET", "/sessions").with(200).json();
    assert_eq!(sessions[0]["questions"][0]["key"], "pickFlight");
    assert_eq!(sessions[0]["questions"][0]["params"]["_meta"]["dev.ostler/context"][0]["number"], "RO117");

    let directory = killed(ostler);
    let ostler = up(directory);
    let second = go_on(endpoint(&ostler), &first);
    assert_eq!(second["inputRequests"].as_object().unwrap().len(), 2);

    let directory = killed(ostler);
    let ostler = up(directory);
    let booked = go_on(endpoint(&ostler), &second);
    assert_booked(&booked);

    // The last reply may have been lost too.
    let directory = killed(ostler);
    let ostler = up(directory);
    assert_eq!(go_on(endpoint(&ostler), &second)["structuredContent"], booked["structuredContent"]);
}

/// Kills it as hard as that can be done.
pub(crate) fn killed(ostler: Ostler) -> Directory {
    ostler.signal(Signal::KILL);
    ostler.end_with_directory().2
}

#[test]
fn a_booking_goes_on_in_a_successor() {
    adopt_orphans();
    let ostler = up(Directory::new());
    let address = endpoint(&ostler);
    let first = call(address, "book_flight", json!({ "arguments": trip() }));
    let successor = replace(&ostler);
    let second = go_on(address, &first);
    let booked = go_on(address, &second);
    assert_booked(&booked);
    drop(successor);
}

#[test]
fn a_session_is_listed_and_cancelled() {
    let ostler = up(Directory::new());
    let asked = call(endpoint(&ostler), "confirm_delete", json!({ "arguments": { "name": "notes.txt" } }));
    assert_eq!(asked["resultType"], "input_required");
    ostler.ask(&["sessions"]).with(0).says("confirm_delete").says("input_required").says("confirm");
    let listed = ostler.ask(&["sessions", "--json"]).with(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    ostler.ask(&["cancel", id]).with(0).says("cancelled");
    ostler.ask(&["cancel", id]).with(1).complains("no session").complains("ostler sessions");
    ostler.ask(&["cancel", "../drain"]).with(1).complains("no session");
    ostler.ask(&["sessions"]).with(0).says("no sessions wait");
    ostler.ask(&["sessions", "--all"]).with(0).says("cancelled");
}

#[test]
fn the_figures_of_the_endpoint_its_sessions_and_its_store_are_metrics_and_it_drains_with_the_rest() {
    let ostler = up(Directory::new());
    let address = endpoint(&ostler);
    let first = call(address, "book_flight", json!({ "arguments": trip() }));
    let second = go_on(address, &first);
    assert_booked(&go_on(address, &second));
    call(address, "book_flight", json!({ "arguments": trip() }));
    let metrics = admin(ostler.admin, "GET", "/metrics").with(200).body;
    for line in [
        "ostler_tools_calls_total 2",
        "ostler_tools_rounds_total 3",
        "ostler_tools_resumed_total{from=\"live\"} 2",
        "ostler_tools_resumed_total{from=\"journal\"} 0",
        "ostler_tools_sessions{state=\"parked\"} 1",
        "ostler_store_failures_total 0",
        &format!("ostler_http_responses_total{{listener=\"{address}\"}} 4"),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    let figure = |name: &str| {
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}"));
        line.trim().parse::<u64>().unwrap()
    };
    let (entries, commits) = (figure("ostler_store_entries_total"), figure("ostler_store_commits_total"));
    assert!(commits > 4 && entries > commits, "{metrics}");

    let drained = admin(ostler.admin, "POST", "/drain").with(200).json();
    let listeners = drained["listeners"].as_array().unwrap();
    let own = listeners.iter().find(|listener| listener["address"] == address.to_string()).unwrap();
    assert_eq!((&own["drained"], &own["served"]), (&json!(true), &json!(4)), "{drained}");
}

#[test]
fn a_second_ostler_on_the_same_store_is_refused_and_says_why() {
    let ostler = up(Directory::new());
    let store = ostler.directory.path("ostler/ostler.db");
    let other = Directory::new();
    let url = format!("sqlite:{store}");
    let variables: Vec<_> = LISTEN.into_iter().chain([("OSTLER_STORE__URL", url.as_str())]).collect();
    other.run(&["up"], &variables).with(1).complains("in use by another Ostler").complains("[store]");
}

#[tokio::test]
async fn the_booking_of_the_demo_bears_a_death_at_each_of_its_writes() {
    let script = Script::new()
        .accept("pickFlight", json!({ "flight": "RO243" }))
        .accept("pickSeat", json!({ "seat": "window", "meal": true }))
        .says("tip", "the old town");
    let tools = ostler::demo::tools();
    let runs = script.run_with_deaths(&tools, &Call::tool("book_flight", &trip())).await;
    assert!(runs.len() >= 8, "{}", runs.len());
    for run in runs {
        assert!(run.effects("book") <= 1, "{run:?}");
        match run.failure() {
            None => assert_booked(&run.result()),
            Some(failure) => assert_eq!(failure.to_string(), "whether `book` has happened is not known"),
        }
    }
}
