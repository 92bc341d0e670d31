//! A server with one tool, `echo`, on one thread: `peer-rmcp ADDRESS [sessions]`, with sessions for clients that have such or without.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Said {
    /// What to say.
    text: String,
}

#[derive(Clone)]
struct Echo {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Echo {
    fn new() -> Self {
        Self { tool_router: Self::tool_router() }
    }

    #[tool(description = "Says what it is told")]
    async fn echo(&self, Parameters(said): Parameters<Said>) -> String {
        said.text
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Echo {}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let address = std::env::args().nth(1).expect("an address to listen on");
    let sessions = std::env::args().nth(2).is_some_and(|mode| mode == "sessions");
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(sessions).with_json_response(!sessions);
    let service: StreamableHttpService<Echo, LocalSessionManager> =
        StreamableHttpService::new(|| Ok(Echo::new()), Arc::default(), config);
    let listener = tokio::net::TcpListener::bind(address).await.expect("the address is free");
    let router = axum::Router::new().nest_service("/mcp", service);
    axum::serve(listener, router).await.expect("it serves until it is killed");
}
