//! Messages that nobody means well with: each gets an answer, and starts nothing.

use std::fmt::Write as _;

use ostler_tools::ListQuery;
use serde_json::{Value, json};

use crate::session::Session;
use crate::stage::{Reply, Request, Stage};

/// Values that stand where others are meant.
fn wrong() -> Vec<String> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let mut values: Vec<_> = [
        "null",
        "true",
        "0",
        "-1",
        "1e400",
        "18446744073709551616",
        "0.1",
        r#""""#,
        r#""x""#,
        "[]",
        "{}",
        "[1,2]",
        r#"{"a":{"b":[]}}"#,
        r#""\ud800""#,
        r#""\u0000""#,
        "[[[[]]]]",
        r#"{"":null}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    values.extend([
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("\"{}\"", "x".repeat(100_000)),
        "9".repeat(5000),
    ]);
    values
}

/// A request of a method with a member of it, or of its parameters, replaced.
fn mutated(base: &Value, path: &[&str], value: &str) -> String {
    const MARK: &str = "\"@\"";
    let mut message = base.clone();
    let mut place = &mut message;
    for name in path {
        place = &mut place[*name];
    }
    *place = json!("@");
    message.to_string().replacen(MARK, value, 1)
}

/// Bodies that have something wrong, for the era that `base` is of.
fn bodies(base: impl Fn(&str, Value) -> Value) -> Vec<Vec<u8>> {
    let call = base("tools/call", json!({ "name": "test_simple_text", "arguments": {} }));
    let calls: [(Value, &[&[&str]]); 9] = [
        (
            call.clone(),
            &[
                &["jsonrpc"],
                &["id"],
                &["method"],
                &["params"],
                &["params", "name"],
                &["params", "arguments"],
                &["params", "_meta"],
                &["params", "_meta", "progressToken"],
                &["params", "inputResponses"],
                &["params", "requestState"],
            ],
        ),
        (
            base("prompts/get", json!({ "name": "test_simple_prompt" })),
            &[&["params", "name"], &["params", "arguments"]],
        ),
        (base("resources/read", json!({ "uri": "test://static-text" })), &[&["params", "uri"]]),
        (base("tools/list", json!({})), &[&["params", "cursor"]]),
        (
            base("completion/complete", json!({})),
            &[&["params", "ref"], &["params", "argument"], &["params", "context"]],
        ),
        (base("logging/setLevel", json!({})), &[&["params", "level"]]),
        (base("resources/subscribe", json!({})), &[&["params", "uri"]]),
        (
            base("tasks/get", json!({ "taskId": "x" })),
            &[&["params", "taskId"], &["params", "inputResponses"]],
        ),
        (
            base("initialize", json!({})),
            &[&["params", "protocolVersion"], &["params", "capabilities"], &["params", "clientInfo"]],
        ),
    ];
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for (message, paths) in &calls {
        for path in *paths {
            bodies.extend(wrong().iter().map(|value| mutated(message, path, value).into_bytes()));
        }
    }
    // Methods that there are none of, and answers to nothing.
    for index in 0..200 {
        bodies.push(base(&format!("no/such{index}"), json!({})).to_string().into_bytes());
        let answer = json!({ "jsonrpc": "2.0", "id": format!("{index}:x"), "result": {} });
        bodies.push(answer.to_string().into_bytes());
    }
    // Twice the same key, several messages at once, half of one, and what is no text.
    let text = call.to_string();
    for key in ["jsonrpc", "id", "method", "params"] {
        bodies.push(text.replacen('{', &format!("{{\"{key}\":{},", call[key]), 1).into_bytes());
    }
    bodies.push(format!("[{text},{text}]").into_bytes());
    bodies.extend((0..text.len()).map(|end| text.as_bytes()[..end].to_vec()));
    bodies.extend((0..50_u8).map(|byte| [&[0xff, byte], text.as_bytes()].concat()));
    bodies
}

/// Whether `reply` says clearly what is wrong, or answers what was right in spite of everything.
fn assert_clear(reply: &Reply, body: &[u8]) {
    let mut shown = String::new();
    let _ =
        write!(shown, "{:.200} was answered {:.400}", String::from_utf8_lossy(body), format!("{reply:?}"));
    assert!(reply.status < 500, "{shown}");
    // Taken, or refused before anybody looked at the message.
    if [202, 431].contains(&reply.status) {
        return;
    }
    let message: Value = match serde_json::from_str(&reply.body) {
        Ok(message) => message,
        Err(error) => panic!("{error}: {shown}"),
    };
    assert_eq!(message["jsonrpc"], "2.0", "{shown}");
    match message.get("error") {
        Some(error) => {
            let code = error["code"].as_i64().unwrap();
            assert!(
                [-32700, -32600, -32601, -32602, -32603, -32002].contains(&code)
                    || (-32022..=-32020).contains(&code),
                "{shown}"
            );
            assert!(!error["message"].as_str().unwrap().is_empty(), "{shown}");
        }
        None => assert!(message.get("result").is_some(), "{shown}"),
    }
}

async fn nothing_was_started(stage: &Stage) {
    assert_eq!(stage.sessions.list(ListQuery::default()).await.unwrap(), []);
    let status = stage.sessions.status();
    assert_eq!((status.parked, status.busy), (0, 0));
}

#[tokio::test]
async fn a_thousand_hostile_messages_without_a_session_get_an_answer_each_and_start_nothing() {
    let stage = Stage::open().await;
    let base = |method: &str, params: Value| -> Value {
        serde_json::from_slice(&Request::new(method, params).body).unwrap()
    };
    let bodies = bodies(base);
    assert!(bodies.len() > 1000, "{}", bodies.len());
    for body in &bodies {
        let read = serde_json::from_slice::<Value>(body).unwrap_or_default();
        // What cannot stand in a field is left to the body.
        let method =
            read["method"].as_str().filter(|method| method.bytes().all(|byte| byte.is_ascii_graphic()));
        let request = Request::new(method.unwrap_or("tools/call"), json!({ "name": "test_simple_text" }));
        assert_clear(&request.bytes(body.clone()).send(stage.address).await, body);
    }
    nothing_was_started(&stage).await;
    assert!(
        stage.ask("tools/call", json!({ "name": "test_simple_text" })).await.result()["content"].is_array()
    );
    stage.close().await;
}

#[tokio::test]
async fn a_thousand_hostile_messages_in_a_session_get_an_answer_each_and_start_nothing() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let base = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let bodies = bodies(base);
    assert!(bodies.len() > 1000, "{}", bodies.len());
    for body in &bodies {
        assert_clear(&session.message(&json!({})).bytes(body.clone()).send(stage.address).await, body);
    }
    for last in ["", "x", "listening.1", "1.2.3", "0198f0a2-7c1e-7d3a-9b1c-2f4e5a6b7c8d.1", &"9".repeat(5000)]
    {
        let reply = session.get(Some(last)).await.send(stage.address).await;
        assert_eq!(reply.status, 400, "{last:.40}: {reply:?}");
    }
    nothing_was_started(&stage).await;
    assert!(
        session.ask("tools/call", json!({ "name": "test_simple_text" })).await.result()["content"].is_array()
    );
    stage.close().await;
}
