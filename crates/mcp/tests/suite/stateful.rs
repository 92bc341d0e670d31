//! The revisions with sessions, as their clients meet them.

use std::time::Duration;

use ostler_mcp::{EndpointConfig, KeyRing};
use ostler_tools::MemoryStorage;
use serde_json::{Value, json};

use crate::session::{Event, Session};
use crate::stage::{Request, Stage};

fn answer(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

#[tokio::test]
async fn a_session_is_negotiated_and_a_call_that_ends_at_once_is_one_message() {
    let stage = Stage::open().await;
    for (asked, spoken) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let (session, introduction) = Session::of_revision(&stage, asked, json!({})).await;
        assert_eq!(introduction["protocolVersion"], spoken);
        assert_eq!(introduction["serverInfo"]["name"], "ostler");
        let reply = session.ask("tools/call", json!({ "name": "test_simple_text" })).await;
        assert!(reply.head.contains("content-type: application/json"), "{reply:?}");
        let result = reply.result();
        assert!(result["content"][0]["text"].is_string(), "{result}");
        assert!(result.get("resultType").is_none(), "{result}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_tool_asks_on_the_stream_of_its_call_and_is_answered_by_requests() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_elicitation", json!({})).await;
    let begin = call.event().await;
    assert_eq!(begin.data, "");
    let asked = call.event().await;
    let question = asked.message();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["mode"], "form");
    session.tell(&answer(&question["id"], accept(json!({ "name": "Ada" })))).await;
    let done = call.event().await;
    assert_eq!(done.message()["result"]["content"][0]["text"], "Hello, Ada!");
    assert_eq!(call.rest().await, []);
    let ids = [begin.id, asked.id, done.id];
    assert!(ids.iter().all(Option::is_some) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    stage.close().await;
}

#[tokio::test]
async fn all_questions_of_a_round_are_asked_at_once_and_answered_in_any_order() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_multiple_inputs", json!({})).await;
    call.event().await;
    let mut questions = Vec::new();
    for _ in 0..3 {
        questions.push(call.event().await.message());
    }
    for question in questions.iter().rev() {
        let result = match question["method"].as_str().unwrap() {
            "elicitation/create" => accept(json!({ "name": "Ada" })),
            "sampling/createMessage" => json!({
                "role": "assistant", "content": { "type": "text", "text": "Good day," }, "model": "m"
            }),
            "roots/list" => json!({ "roots": [{ "uri": "file:///work" }] }),
            other => panic!("{other}"),
        };
        session.tell(&answer(&question["id"], result)).await;
    }
    let text = call.event().await.message()["result"]["content"][0]["text"].clone();
    assert_eq!(text, "Good day, Ada, with 1 roots");
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_the_events_behind_its_last_one_and_none_twice() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_multi_round", json!({})).await;
    let begin = call.event().await.id.unwrap();
    let first = call.event().await;
    drop(call);
    // The connection is gone, and the call is not.
    session.tell(&answer(&first.message()["id"], accept(json!({ "name": "Ada" })))).await;
    let mut call = session.resume(first.id.as_deref().unwrap()).await;
    let second = call.event().await;
    assert_eq!(second.message()["params"]["requestedSchema"]["required"], json!(["color"]));
    drop(call);
    // From the beginning, all of it comes again, the same.
    let mut call = session.resume(&begin).await;
    assert_eq!((call.event().await, call.event().await), (first, second.clone()));
    session.tell(&answer(&second.message()["id"], accept(json!({ "color": "green" })))).await;
    assert!(call.event().await.message()["result"]["content"][0]["text"].as_str().unwrap().contains("green"));
    assert_eq!(call.rest().await, []);
    stage.close().await;
}

#[tokio::test]
async fn another_session_does_not_get_the_events_of_a_call_nor_answers_it() {
    let stage = Stage::open().await;
    let (ada, eve) = (Session::open(&stage).await, Session::open(&stage).await);
    let mut call = ada.call("test_input_required_result_elicitation", json!({})).await;
    let begin = call.event().await.id.unwrap();
    assert_eq!(eve.get(Some(&begin)).await.send(stage.address).await.status, 400);
    let question = call.event().await.message();
    ada.tell(&answer(&question["id"], accept(json!({ "name": "Ada" })))).await;
    assert_eq!(call.event().await.message()["result"]["content"][0]["text"], "Hello, Ada!");
    stage.close().await;
}

#[tokio::test]
async fn what_the_client_refuses_is_a_refusal_and_no_hang() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    for tool in ["test_input_required_result_sampling", "test_input_required_result_elicitation"] {
        let mut call = session.call(tool, json!({})).await;
        call.event().await;
        let id = call.event().await.message()["id"].clone();
        let error = json!({ "code": -1, "message": "the user said no" });
        session.tell(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).await;
        let done = call.event().await.message();
        assert_eq!(done["result"]["isError"], true, "{done}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_elicitation", json!({})).await;
    call.event().await;
    call.event().await;
    let params = json!({ "requestId": call.request_id() });
    session.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    assert_eq!(call.rest().await, []);
    assert_eq!(stage.sessions.status().parked, 0);
    stage.close().await;
}

#[tokio::test]
async fn sessions_that_are_not_there_are_told_apart_from_none() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let ask = |request: Request| async move { request.send(stage.address).await.status };
    let ping = session.request("ping", json!({}));
    assert_eq!(ask(ping.clone()).await, 200);
    assert_eq!(ask(ping.clone().without("mcp-session-id")).await, 400);
    assert_eq!(ask(ping.clone().header("mcp-session-id", "other")).await, 404);
    assert_eq!(ask(ping.clone().header("mcp-protocol-version", "2024-11-05")).await, 400);
    assert_eq!(ask(session.delete()).await, 204);
    assert_eq!(ask(ping).await, 404);
    assert_eq!(ask(session.get(None).await).await, 404);
    stage.close().await;
}

#[tokio::test]
async fn a_stream_is_ended_after_a_while_and_the_client_comes_back_for_the_rest() {
    let config = EndpointConfig { stream_hold: Duration::from_millis(50), ..EndpointConfig::default() };
    let stage = Stage::with(MemoryStorage::new(), KeyRing::ephemeral(), config).await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_elicitation", json!({})).await;
    let begin = call.event().await;
    let question = call.event().await;
    let rest = call.rest().await;
    assert!(rest.iter().all(|event| event.id.is_none() && event.data.is_empty()), "{rest:?}");
    session.tell(&answer(&question.message()["id"], accept(json!({ "name": "Ada" })))).await;
    let mut call = session.resume(question.id.as_deref().unwrap()).await;
    assert_eq!(call.event().await.message()["result"]["content"][0]["text"], "Hello, Ada!");
    // Clients of older revisions would not come back.
    let (old, _) = Session::of_revision(&stage, "2025-06-18", crate::stage::capabilities()).await;
    let mut call = old.call("test_input_required_result_elicitation", json!({})).await;
    let question = call.event().await.message();
    assert!(question["params"].get("mode").is_none(), "{question}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    old.tell(&answer(&question["id"], accept(json!({ "name": "Eve" })))).await;
    assert_eq!(call.event().await.message()["result"]["content"][0]["text"], "Hello, Eve!");
    assert_ne!(begin.id, None);
    stage.close().await;
}

#[tokio::test]
async fn whoever_listens_is_told_of_changes_and_asked_again_what_nobody_else_is_asked() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_elicitation", json!({})).await;
    call.event().await;
    let question = call.event().await.message();
    drop(call);
    let mut listening = session.listen().await;
    assert_eq!(listening.event().await.data, "");
    assert_eq!(listening.event().await.message(), question);
    session.ask("tools/call", json!({ "name": "test_trigger_tool_change" })).await;
    assert_eq!(listening.event().await.message()["method"], "notifications/tools/list_changed");
    stage.close().await;
}

#[tokio::test]
async fn both_eras_are_spoken_at_once() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let list = session.ask("tools/list", json!({})).await.result();
    let modern = stage.ask("tools/list", json!({})).await.result();
    assert_eq!(list["tools"], modern["tools"]);
    assert!(list.get("ttlMs").is_none() && modern.get("ttlMs").is_some());
    // What names the later revision is of that one, also where there is a session.
    let request = Request::new("initialize", json!({})).header("mcp-session-id", &session.id);
    let reply = request.send(stage.address).await;
    assert_eq!((reply.status, reply.code()), (404, -32601));
    stage.close().await;
}

#[tokio::test]
async fn messages_that_are_told_twice_are_taken_once_and_errors_have_the_codes_of_these_revisions() {
    let stage = Stage::open().await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_elicitation", json!({})).await;
    call.event().await;
    let id = call.event().await.message()["id"].clone();
    let told = answer(&id, accept(json!({ "name": "Ada" })));
    session.tell(&told).await;
    session.tell(&told).await;
    assert_eq!(call.event().await.message()["result"]["content"][0]["text"], "Hello, Ada!");
    let unknown = session.message(&answer(&json!("nothing"), json!({}))).send(stage.address).await;
    assert_eq!(unknown.status, 400);
    let codes = [
        ("resources/read", json!({ "uri": "test://nothing" }), -32002),
        ("tools/call", json!({ "name": "nothing" }), -32602),
        ("no/such", json!({}), -32601),
        ("initialize", json!({}), -32600),
    ];
    for (method, params, code) in codes {
        let reply = session.ask(method, params).await;
        assert_eq!((reply.status, reply.code()), (200, code), "{method}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_call_goes_on_in_another_process_with_the_same_store_and_keys() {
    let (storage, keys) = (MemoryStorage::new(), KeyRing::ephemeral());
    let stage = Stage::with(storage.clone(), keys.clone(), EndpointConfig::default()).await;
    let session = Session::open(&stage).await;
    let mut call = session.call("test_input_required_result_multi_round", json!({})).await;
    let id = call.request_id();
    let begin = call.event().await.id.unwrap();
    let first = call.event().await;
    drop(call);
    stage.close().await;
    let stage = Stage::with(storage, keys, EndpointConfig::default()).await;
    let session = session.at(&stage);
    let mut call = session.resume(&begin).await;
    assert_eq!(call.event().await, first);
    session.tell(&answer(&first.message()["id"], accept(json!({ "name": "Ada" })))).await;
    let second = call.event().await.message();
    session.tell(&answer(&second["id"], accept(json!({ "color": "green" })))).await;
    let last: Event = call.event().await;
    assert_eq!(last.message()["id"], id);
    assert_eq!(call.rest().await, []);
    stage.close().await;
}

#[tokio::test]
async fn a_disconnect_cancels_without_a_session_and_does_not_with_one() {
    let stage = Stage::open().await;
    let arguments = json!({ "name": "test_reconnection", "arguments": {} });
    let mut began = Request::new("tools/call", arguments).open(stage.address).await;
    // It is at work once it is held open by the first heartbeat, or as soon as the server has it: either way nothing is left.
    tokio::io::AsyncWriteExt::shutdown(&mut began).await.unwrap();
    drop(began);
    let session = Session::open(&stage).await;
    let mut call = session.call("test_reconnection", json!({})).await;
    let begin = call.event().await.id.unwrap();
    drop(call);
    let mut call = session.resume(&begin).await;
    let text = call.event().await.message()["result"]["content"][0]["text"].clone();
    assert_eq!(text, "The stream was ended, and the call was not.");
    let sessions = stage.sessions.list(ostler_tools::ListQuery::default()).await.unwrap();
    let states: Vec<_> = sessions.iter().map(|session| session.state).collect();
    assert_eq!(states, [ostler_tools::SessionState::Completed]);
    assert_eq!((stage.sessions.status().parked, stage.sessions.status().busy), (0, 0));
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_sends_its_user_somewhere_is_told_when_that_is_done() {
    let stage = Stage::open().await;
    let capabilities = json!({ "elicitation": { "form": {}, "url": {} } });
    let (session, _) = Session::of_revision(&stage, "2025-11-25", capabilities.clone()).await;
    let mut call = session.call("test_elicitation_url", json!({})).await;
    call.event().await;
    let question = call.event().await.message();
    assert_eq!(question["params"]["url"], "https://pay.example/1");
    assert_eq!(question["params"]["elicitationId"], question["id"]);
    session.tell(&answer(&question["id"], json!({ "action": "accept" }))).await;
    let done = call.event().await;
    assert_eq!(done.message()["method"], "notifications/elicitation/complete");
    assert_eq!((&done.message()["params"]["elicitationId"], done.id), (&question["id"], None));
    assert_eq!(call.event().await.message()["result"]["content"][0]["text"], "Paid.");
    // Clients of older revisions know nothing of addresses, and are asked nothing.
    let (old, _) = Session::of_revision(&stage, "2025-06-18", json!({ "elicitation": {} })).await;
    let reply = old.ask("tools/call", json!({ "name": "test_elicitation_url" })).await;
    assert!(reply.body.contains("elicitation by URL"), "{reply:?}");
    stage.close().await;
}
