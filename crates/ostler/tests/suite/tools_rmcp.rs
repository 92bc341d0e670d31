//! The client of the official Rust SDK, in the revision that it negotiates by itself.
#![expect(deprecated, reason = "sampling is, and is in use")]

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, Implementation, ProtocolVersion,
    SamplingMessage,
};
use rmcp::service::{ClientLifecycleMode, RequestContext, RoleClient, serve_client_with_lifecycle};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::unix_socket::UnixSocketHttpClient;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler};
use crate::tools::{assert_booked, trip};

/// A user who books, and a model with an opinion.
struct Traveller;

impl ClientHandler for Traveller {
    fn get_info(&self) -> ClientConfig {
        let capabilities: ClientCapabilities =
            serde_json::from_value(json!({ "elicitation": {}, "sampling": {} })).unwrap();
        ClientConfig::new(capabilities, Implementation::new("traveller", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let request = serde_json::to_value(request).unwrap();
        let asked = &request["requestedSchema"]["properties"];
        let content = if asked.get("flight").is_some() {
            json!({ "flight": "RO243" })
        } else {
            json!({ "seat": "window", "meal": true })
        };
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("the old town"), "test".to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_client_books_a_flight() {
    let directory = Directory::new();
    let socket = directory.path("mcp.sock");
    let variables = [
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", &format!("unix:{socket}")),
    ];
    let ostler = Ostler::up(directory, &["up"], &variables);
    let transport: StreamableHttpClientTransport<UnixSocketHttpClient> =
        StreamableHttpClientTransport::from_unix_socket(&socket, "http://localhost/mcp");
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let client = serve_client_with_lifecycle(Traveller, transport, lifecycle).await.unwrap();
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "book_flight"), "{tools:?}");

    let Value::Object(arguments) = trip() else { panic!("a trip is an object") };
    let call = CallToolRequestParams::new("book_flight").with_arguments(arguments);
    let booked = client.call_tool(call).await.unwrap();
    assert_booked(&serde_json::to_value(booked).unwrap());
    client.cancel().await.unwrap();
    drop(ostler);
}
