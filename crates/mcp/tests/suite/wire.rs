//! What is refused and how, and what a stream of answers looks like.

use std::time::Duration;

use ostler_mcp::{EndpointConfig, KeyRing};
use ostler_tools::MemoryStorage;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::stage::{Request, Stage};

fn list() -> Request {
    Request::new("tools/list", json!({}))
}

fn text() -> Request {
    Request::new("tools/call", json!({ "name": "test_simple_text", "arguments": {} }))
}

fn repeated() -> Request {
    let arguments = json!({ "name": "test_x_mcp_header", "arguments": { "region": "eu" } });
    Request::new("tools/call", arguments)
}

#[tokio::test]
async fn a_request_that_is_wrong_is_told_how() {
    let stage = Stage::open().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let with_arguments = |arguments: &str| {
        text().body(text().text().replace("\"arguments\":{}", &format!("\"arguments\":{arguments}")))
    };
    let table: Vec<(&str, Request, u16, i64)> = vec![
        ("another path", Request { path: "/other", ..list() }, 404, -32600),
        ("GET", Request { verb: "GET", ..list() }, 405, -32600),
        ("DELETE", Request { verb: "DELETE", ..list() }, 405, -32600),
        ("PUT", Request { verb: "PUT", ..list() }, 405, -32600),
        ("a foreign host", list().header("host", "evil.example"), 403, -32600),
        ("a foreign origin", list().header("origin", "http://evil.example"), 403, -32600),
        ("an origin that looks local", list().header("origin", "http://localhost.evil.example"), 403, -32600),
        ("no origin at all", list().header("origin", "null"), 403, -32600),
        ("text", list().header("content-type", "text/plain"), 415, -32600),
        ("no content type", list().without("content-type"), 415, -32600),
        ("only HTML is read", list().header("accept", "text/html;q=0.9, image/png"), 406, -32600),
        ("no JSON", list().body("{"), 400, -32700),
        ("nothing", list().body(""), 400, -32700),
        ("no UTF-8 text", list().body("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\ud800\"}"), 400, -32700),
        ("a batch", list().body(format!("[{}]", list().text())), 400, -32600),
        ("a number", list().body("7"), 400, -32600),
        (
            "no version of JSON-RPC",
            list().body(list().text().replace("\"jsonrpc\":\"2.0\",", "")),
            400,
            -32600,
        ),
        ("another version", list().body(list().text().replace("\"2.0\"", "\"1.0\"")), 400, -32600),
        ("an id that is an object", list().body(list().text().replace("\"id\":1", "\"id\":{}")), 400, -32600),
        (
            "an id without end",
            list().body(list().text().replace("\"id\":1", &format!("\"id\":\"{}\"", "x".repeat(5000)))),
            400,
            -32600,
        ),
        (
            "two methods",
            list().body(list().text().replace("\"id\":1", "\"id\":1,\"method\":\"ping\"")),
            400,
            -32600,
        ),
        ("a response", list().body(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), 400, -32600),
        ("no parameters", list().body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), 400, -32602),
        (
            "parameters that are a list",
            list().body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#),
            400,
            -32602,
        ),
        ("no version header", list().without("mcp-protocol-version"), 400, -32020),
        ("another version in the header", list().header("mcp-protocol-version", "2025-11-25"), 400, -32020),
        ("no method header", list().without("mcp-method"), 400, -32020),
        ("another method in the header", list().header("mcp-method", "tools/call"), 400, -32020),
        ("no name header", text().without("mcp-name"), 400, -32020),
        ("another name in the header", text().header("mcp-name", "echo"), 400, -32020),
        ("an unknown method", Request::new("tools/burn", json!({})), 404, -32601),
        ("a method of the era before", Request::new("initialize", json!({})), 404, -32601),
        (
            "an unknown tool",
            Request::new("tools/call", json!({ "name": "nope", "arguments": {} })),
            200,
            -32602,
        ),
        ("an unknown prompt", Request::new("prompts/get", json!({ "name": "nope" })), 200, -32602),
        ("an unknown resource", Request::new("resources/read", json!({ "uri": "test://nope" })), 200, -32602),
        ("an unknown cursor", Request::new("tools/list", json!({ "cursor": "x" })), 200, -32602),
        ("arguments that are a list", with_arguments("[]"), 400, -32602),
        ("arguments without end", with_arguments(&deep), 400, -32602),
        ("an argument that no header repeats", repeated(), 400, -32020),
        ("a header that repeats another", repeated().header("mcp-param-region", "us"), 400, -32020),
        ("a header that is no base64", repeated().header("mcp-param-region", "=?base64?e!U=?="), 400, -32020),
        (
            "a state that nobody gave out",
            Request::new("tools/call", json!({ "name": "test_simple_text", "requestState": "AAAA" })),
            200,
            -32602,
        ),
        ("a task for who knows none", Request::new("tasks/get", json!({ "taskId": "x" })), 400, -32021),
    ];
    for (what, request, status, code) in table {
        let reply = request.send(stage.address).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{what}: {reply:?}");
        assert_eq!(reply.json()["jsonrpc"], "2.0", "{what}");
    }
    assert_eq!(stage.sessions.status().parked, 0);
    // An id goes with an error if there was one, and is never null.
    let unread = list().body("{").send(stage.address).await.json();
    assert!(unread.get("id").is_none(), "{unread}");
    assert_eq!(list().without("mcp-method").send(stage.address).await.json()["id"], 1);
    let get = Request { verb: "GET", ..list() }.send(stage.address).await;
    assert!(get.head.contains("allow: post"), "{get:?}");
    stage.close().await;
}

#[tokio::test]
async fn a_request_that_is_right_in_an_unusual_way_is_answered() {
    let stage = Stage::open().await;
    let table = [
        ("a local page", list().header("origin", "http://localhost:6274")),
        ("another name of this machine", list().header("host", "tools.localhost:1")),
        ("only JSON is read", list().header("accept", "application/json")),
        ("anything is read", list().header("accept", "*/*")),
        ("nothing is said of what is read", list().without("accept")),
        ("a parameter of the type", list().header("content-type", "application/json; charset=utf-8")),
        ("space around a value", text().header("mcp-name", "  test_simple_text ")),
        ("an encoded name", text().header("mcp-name", "=?base64?dGVzdF9zaW1wbGVfdGV4dA==?=")),
        ("a repeated argument", repeated().header("mcp-param-region", "eu")),
    ];
    for (what, request) in table {
        let reply = request.send(stage.address).await;
        assert_eq!(reply.status, 200, "{what}: {reply:?}");
        assert_eq!(reply.result()["resultType"], "complete", "{what}");
    }
    let events = list().header("accept", "text/event-stream").send(stage.address).await;
    assert_eq!(events.messages()[0]["result"]["resultType"], "complete", "{events:?}");
    let id = list().body(list().text().replace("\"id\":1", "\"id\":\"a\\u0062\"")).send(stage.address).await;
    assert_eq!(id.json()["id"], "ab");
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let reply = list().body(notification).send(stage.address).await;
    assert_eq!((reply.status, reply.body.as_str()), (202, ""));
    stage.close().await;
}

#[tokio::test]
async fn what_a_tool_tells_comes_in_order_and_before_its_result() {
    let stage = Stage::open().await;
    let meta = json!({ "progressToken": 7 });
    let params = json!({ "name": "test_tool_with_progress", "arguments": {}, "_meta": meta });
    let reply = stage.ask("tools/call", params).await;
    assert!(reply.head.contains("content-type: text/event-stream"), "{reply:?}");
    assert!(reply.head.contains("x-accel-buffering: no"), "{reply:?}");
    let messages = reply.messages();
    let told: Vec<_> = messages[..3].iter().map(|message| &message["params"]["progress"]).collect();
    assert_eq!(told, [0, 50, 100]);
    assert!(messages[..3].iter().all(|message| message["params"]["progressToken"] == 7));
    assert_eq!(messages[3]["result"]["content"][0]["text"], "done");

    // Whoever does not ask for it is not told.
    let quiet = stage.ask("tools/call", json!({ "name": "test_logging_tool", "arguments": {} })).await;
    assert!(quiet.head.contains("content-type: application/json"), "{quiet:?}");
    let meta = json!({ "io.modelcontextprotocol/logLevel": "info" });
    let params = json!({ "name": "test_logging_tool", "arguments": {}, "_meta": meta });
    let logged = stage.ask("tools/call", params).await.messages();
    assert_eq!(logged.len(), 4);
    assert_eq!(logged[0]["params"]["data"], "Tool execution started");
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_it_is_asked_leaves_nothing() {
    let stage = Stage::open().await;
    let params = json!({ "name": "slow_compute", "arguments": { "seconds": 600 } });
    let stream = Request::new("tools/call", params).open(stage.address).await;
    while stage.sessions.status().calls == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    stage.close().await;
}

#[tokio::test]
async fn whoever_listens_is_told_of_what_was_asked_for_alone() {
    let stage = Stage::open().await;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = Request::new("subscriptions/listen", filter).open(stage.address).await;
    let mut heard = String::new();
    let mut changed = false;
    while !heard.contains("tools/list_changed") {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        assert!(length > 0, "{heard}");
        heard.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        if heard.contains("acknowledged") && !std::mem::replace(&mut changed, true) {
            for tool in ["test_trigger_prompt_change", "test_trigger_tool_change"] {
                stage.ask("tools/call", json!({ "name": tool, "arguments": {} })).await.result();
            }
        }
    }
    assert!(!heard.contains("prompts/list_changed"), "{heard}");
    let messages: Vec<Value> =
        heard.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    }
    stage.close().await;
}

#[tokio::test]
async fn a_call_that_takes_long_is_held_open_with_heartbeats() {
    let config = EndpointConfig { heartbeat: Duration::from_millis(50), ..EndpointConfig::default() };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), config).await;
    let params = json!({ "name": "slow_compute", "arguments": { "seconds": 1, "label": "it" } });
    let reply = stage.ask("tools/call", params.clone()).await;
    assert!(reply.head.contains("content-type: text/event-stream"), "{reply:?}");
    assert!(reply.body.matches(": \n\n").count() > 2, "{reply:?}");
    assert_eq!(reply.messages()[0]["result"]["content"][0]["text"], "computed it");
    // Whoever cannot read a stream waits without them.
    let request = Request::new("tools/call", params).header("accept", "application/json");
    assert_eq!(request.send(stage.address).await.result()["content"][0]["text"], "computed it");
    stage.close().await;
}
