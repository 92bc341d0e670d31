//! The endpoint over a pair of streams.

use std::sync::Arc;

use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
use ostler_scope::Scope;
use ostler_tools::{MemoryStorage, Sessions, SessionsConfig, Tools};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex};
use tokio::task::JoinHandle;

use crate::offered;
use crate::stage::capabilities;

/// Bytes of a message at most.
const LONGEST: usize = 1 << 16;

/// The client's end.
struct Client {
    scope: Scope,
    sessions: Sessions,
    to: DuplexStream,
    from: Lines<BufReader<DuplexStream>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Client {
    fn open() -> Self {
        let scope = Scope::root("test").open().unwrap();
        let sessions =
            Sessions::start(&scope, Tools::new(), MemoryStorage::new(), SessionsConfig::default()).unwrap();
        offered::offer(&sessions);
        let endpoint = Endpoint::new(sessions.clone(), KeyRing::ephemeral(), EndpointConfig::default());
        let (to, input) = duplex(LONGEST);
        let (output, from) = duplex(LONGEST);
        let served = tokio::spawn(Arc::new(endpoint).serve_stdio(input, output, LONGEST));
        Self { scope, sessions, to, from: BufReader::new(from).lines(), served }
    }

    async fn say(&mut self, message: &Value) {
        self.line(&message.to_string()).await;
    }

    async fn line(&mut self, line: &str) {
        self.to.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
    }

    /// A request of the revision without sessions.
    async fn ask_modern(&mut self, id: u64, method: &str, mut params: Value) {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities();
        self.ask(id, method, params).await;
    }

    async fn initialize(&mut self) -> Value {
        let info = json!({ "name": "test", "version": "0" });
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": capabilities(), "clientInfo": info
        });
        self.ask(0, "initialize", params).await;
        let introduction = self.hear().await;
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        introduction
    }

    async fn hear(&mut self) -> Value {
        let line = self.from.next_line().await.unwrap().expect("the server has closed its end");
        serde_json::from_str(&line).unwrap()
    }

    /// Closes this end, and reads what is left. Nothing of the client's is left then.
    async fn close(mut self) -> Vec<String> {
        drop(self.to);
        let mut rest = Vec::new();
        while let Some(line) = self.from.next_line().await.unwrap() {
            rest.push(line);
        }
        self.served.await.unwrap().unwrap();
        self.scope.halt().await;
        rest
    }
}

#[tokio::test]
async fn a_tool_asks_a_client_with_a_session() {
    let mut client = Client::open();
    assert_eq!(client.initialize().await["result"]["protocolVersion"], "2025-11-25");
    let params = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
    client.ask(1, "tools/call", params).await;
    let question = client.hear().await;
    assert_eq!(question["method"], "elicitation/create");
    // The call does not keep others waiting.
    client.ask(2, "ping", json!({})).await;
    assert_eq!(client.hear().await, json!({ "jsonrpc": "2.0", "id": 2, "result": {} }));
    let result = json!({ "action": "accept", "content": { "name": "Ada" } });
    client.say(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).await;
    let done = client.hear().await;
    assert_eq!((&done["id"], &done["result"]["content"][0]["text"]), (&json!(1), &json!("Hello, Ada!")));
    assert_eq!(client.close().await, [""; 0]);
}

#[tokio::test]
async fn a_tool_asks_a_client_without_one() {
    let mut client = Client::open();
    client.ask_modern(1, "server/discover", json!({})).await;
    assert_eq!(client.hear().await["result"]["resultType"], "complete");
    let call = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
    client.ask_modern(2, "tools/call", call.clone()).await;
    let asked = client.hear().await["result"].clone();
    assert_eq!(asked["resultType"], "input_required");
    let mut again = call;
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = json!({ "user_name": { "action": "accept", "content": { "name": "Ada" } } });
    client.ask_modern(3, "tools/call", again).await;
    assert_eq!(client.hear().await["result"]["content"][0]["text"], "Hello, Ada!");
    client.close().await;
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer_in_both_eras() {
    let call = json!({ "name": "slow_compute", "arguments": { "seconds": 3600 } });
    let cancelled = |id: u64| {
        let params = json!({ "requestId": id });
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
    };
    let mut modern = Client::open();
    modern.ask_modern(1, "tools/call", call.clone()).await;
    modern.say(&cancelled(1)).await;
    modern.ask_modern(2, "tools/list", json!({})).await;
    assert_eq!(modern.hear().await["id"], 2);
    modern.close().await;
    let mut stateful = Client::open();
    stateful.initialize().await;
    let asks = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
    stateful.ask(1, "tools/call", asks).await;
    stateful.hear().await;
    stateful.say(&cancelled(1)).await;
    stateful.ask(2, "ping", json!({})).await;
    assert_eq!(stateful.hear().await["id"], 2);
    assert_eq!(stateful.sessions.status().parked, 0);
    stateful.close().await;
}

#[tokio::test]
async fn what_goes_on_when_the_client_closes_its_end_is_cancelled() {
    let mut client = Client::open();
    client.initialize().await;
    let asks = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
    client.ask(1, "tools/call", asks).await;
    client.hear().await;
    let sessions = client.sessions.clone();
    assert_eq!(sessions.status().parked, 1);
    assert_eq!(client.close().await, [""; 0]);
    assert_eq!(sessions.status().parked, 0);
}

#[tokio::test]
async fn a_line_that_is_no_message_is_answered_and_the_next_one_is_read() {
    let mut client = Client::open();
    client.initialize().await;
    for (line, code) in [
        ("nonsense".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#.to_owned(), -32600),
        (format!("\"{}\"", "x".repeat(LONGEST)), -32600),
    ] {
        client.line(&line).await;
        assert_eq!(client.hear().await["error"]["code"], code, "{line:.80}");
    }
    client.line("").await;
    client.ask(1, "ping", json!({})).await;
    assert_eq!(client.hear().await["id"], 1);
    client.close().await;
}
