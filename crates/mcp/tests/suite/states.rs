//! `requestState` and the rounds it stands for.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ostler_mcp::{EndpointConfig, KeyRing};
use ostler_tools::MemoryStorage;
use serde_json::{Value, json};

use crate::stage::{Request, Stage};

fn tool(name: &str) -> Value {
    json!({ "name": format!("test_input_required_result_{name}"), "arguments": {} })
}

fn named(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

/// The call `params` again, with the state of `asked` and `answers`.
fn again(mut params: Value, asked: &Value, answers: &Value) -> Value {
    params["requestState"] = asked["requestState"].clone();
    params["inputResponses"] = answers.clone();
    params
}

#[tokio::test]
async fn a_state_is_good_for_its_own_call_alone() {
    let stage = Stage::open().await;
    let asked = stage.ask("tools/call", tool("elicitation")).await.result();
    let answers = json!({ "user_name": named("Ada") });
    // Stolen for another tool, another method, other arguments.
    let mut other_arguments = again(tool("elicitation"), &asked, &answers);
    other_arguments["arguments"] = json!({ "more": 1 });
    let prompt = json!({ "name": "test_input_required_result_prompt" });
    let others = [
        ("tools/call", again(tool("request_state"), &asked, &answers)),
        ("tools/call", other_arguments),
        ("prompts/get", again(prompt, &asked, &answers)),
    ];
    for (method, params) in others {
        let reply = stage.ask(method, params).await;
        assert_eq!((reply.status, reply.code()), (200, -32602), "{reply:?}");
    }
    let result = stage.ask("tools/call", again(tool("elicitation"), &asked, &answers)).await.result();
    assert_eq!(result["content"][0]["text"], "Hello, Ada!");
    stage.close().await;
}

#[tokio::test]
async fn an_expired_state_is_told_from_one_that_is_none() {
    let config = EndpointConfig { state_ttl: Duration::ZERO, ..EndpointConfig::default() };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), config).await;
    let asked = stage.ask("tools/call", tool("elicitation")).await.result();
    let reply = stage.ask("tools/call", again(tool("elicitation"), &asked, &json!({}))).await;
    assert_eq!(reply.json()["error"]["message"], "the requestState has expired");
    stage.close().await;
}

#[tokio::test]
async fn two_retries_of_a_round_get_the_same_reply_and_other_answers_an_error() {
    let stage = Stage::open().await;
    let asked = stage.ask("tools/call", tool("multi_round")).await.result();
    let ada = again(tool("multi_round"), &asked, &json!({ "step1": named("Ada") }));
    let eve = again(tool("multi_round"), &asked, &json!({ "step1": named("Eve") }));
    let (one, two) = tokio::join!(stage.ask("tools/call", ada.clone()), stage.ask("tools/call", ada.clone()));
    let (one, two) = (one.result(), two.result());
    assert_eq!(one["inputRequests"], two["inputRequests"]);
    assert!(one["inputRequests"].get("step2").is_some(), "{one}");
    assert_eq!(stage.ask("tools/call", eve).await.code(), -32602);

    // Either of the two states goes on.
    let last = again(
        tool("multi_round"),
        &two,
        &json!({ "step2": {
        "action": "accept", "content": { "color": "blue" } } }),
    );
    let result = stage.ask("tools/call", last.clone()).await.result();
    assert_eq!(result["content"][0]["text"], "Ada likes blue");
    assert_eq!(stage.ask("tools/call", last).await.result(), result);
    assert_eq!(stage.ask("tools/call", ada).await.code(), -32602);
    stage.close().await;
}

#[tokio::test]
async fn another_process_with_the_same_store_and_keys_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    let day = Duration::from_hours(24);
    let storage = MemoryStorage::new();
    let first =
        Stage::with(storage.clone(), KeyRing::load(&path, day, day).unwrap(), EndpointConfig::default());
    let first = first.await;
    let asked = first.ask("tools/call", tool("elicitation")).await.result();
    first.close().await;

    // The key was rotated in between: what it has sealed still opens.
    let keys = KeyRing::load(&path, Duration::ZERO, day).unwrap();
    let second = Stage::with(storage, keys, EndpointConfig::default()).await;
    let answers = json!({ "user_name": named("Ada") });
    let result = second.ask("tools/call", again(tool("elicitation"), &asked, &answers)).await.result();
    assert_eq!(result["content"][0]["text"], "Hello, Ada!");
    second.close().await;
}

#[tokio::test]
async fn keys_are_rotated_while_states_are_out_and_a_broken_file_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    let day = Duration::from_hours(24);
    // Each look makes a new key.
    let keys = KeyRing::load(&path, Duration::ZERO, day).unwrap();
    let stage = Stage::with(MemoryStorage::new(), keys.clone(), EndpointConfig::default()).await;
    let before = stage.ask("tools/call", tool("multi_round")).await.result();
    keys.refresh().unwrap();
    assert_eq!(format!("{keys:?}"), "[1, 0]");
    let params = again(tool("multi_round"), &before, &json!({ "step1": named("Ada") }));
    let after = stage.ask("tools/call", params).await.result();
    // The state that is out now is sealed with the new key: who has only the old one cannot open it.
    let state = |result: &Value| BASE64URL_NOPAD.decode(result["requestState"].as_str().unwrap().as_bytes());
    assert_eq!((state(&before).unwrap()[4], state(&after).unwrap()[4]), (0, 1));

    std::fs::write(&path, "no keys").unwrap();
    keys.refresh().unwrap_err();
    let params = again(tool("multi_round"), &after, &json!({ "step2": named("Lovelace") }));
    stage.ask("tools/call", params).await.result();
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_in_a_later_round_can_come_back() {
    let stage = Stage::open().await;
    let asked = stage.ask("tools/call", tool("multi_round")).await.result();
    let params = again(tool("multi_round"), &asked, &json!({ "step1": named("Ada") }));
    drop(Request::new("tools/call", params.clone()).open(stage.address).await);
    let second = stage.ask("tools/call", params).await.result();
    assert!(second["inputRequests"].get("step2").is_some(), "{second}");
    stage.close().await;
}

#[tokio::test]
async fn what_a_client_does_not_answer_it_is_not_asked() {
    let stage = Stage::open().await;
    let meta = json!({ "io.modelcontextprotocol/clientCapabilities": {} });
    let mut params = tool("elicitation");
    params["_meta"] = meta.clone();
    let reply = stage.ask("tools/call", params).await;
    assert_eq!((reply.status, reply.code()), (400, -32021));
    let required = &reply.json()["error"]["data"]["requiredCapabilities"];
    assert!(required.get("elicitation").is_some(), "{required}");

    // Nor when it comes back as another client than the one that was asked first.
    let asked = stage.ask("tools/call", tool("elicitation")).await.result();
    let mut params = again(tool("elicitation"), &asked, &json!({}));
    params["_meta"] = meta;
    assert_eq!(stage.ask("tools/call", params).await.code(), -32021);
    stage.close().await;
}
