//! The Model Context Protocol: one endpoint for durable tools, over HTTP and over standard streams.
//!
//! An [`Endpoint`] speaks revision [2026-07-28](https://modelcontextprotocol.io/specification/2026-07-28), in which every request
//! stands for itself: what a tool asks goes out as the result of the call, together with a sealed `requestState`; the client repeats
//! the call with its answers, and the tool goes on where it was. To clients of
//! [2025-11-25](https://modelcontextprotocol.io/specification/2025-11-25) and before it has sessions: what a tool asks goes out on
//! the stream of the call, which is resumed by whoever comes back with the id of the last event. Each request says which era it is of.
//!
//! ```
//! use std::sync::Arc;
//! use ostler_http::{Discard, ServerConfig, serve};
//! use ostler_mcp::{Endpoint, EndpointConfig, KeyRing};
//! use ostler_tools::{MemoryStorage, Sessions, SessionsConfig, Tools};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = ostler_scope::Scope::root("app").open()?;
//! let sessions = Sessions::start(&scope, Tools::new(), MemoryStorage::new(), SessionsConfig::default())?;
//! let endpoint = Arc::new(Endpoint::new(sessions, KeyRing::ephemeral(), EndpointConfig::default()));
//! let listener = ostler_net::Listener::bind(&"127.0.0.1:0".parse()?).await?;
//! let server = serve(&scope, "mcp", listener, ServerConfig::default(), Discard, move |connection: &Arc<_>| {
//!     endpoint.service(connection)
//! })?;
//! # drop(server);
//! # scope.halt().await;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod audit;
mod auth;
mod body;
mod config;
mod endpoint;
mod error;
mod headers;
mod keys;
mod limits;
mod meta;
mod methods;
mod origin;
mod reply;
mod response;
mod seal;
mod state;
mod stateful;
mod stdio;
mod stream;
mod wire;

pub use audit::{Audit, AuditWriter};
pub use auth::{AuthConfig, AuthError, Authorizer, JwksError, JwksSource};
pub use body::ResponseBody;
pub use config::EndpointConfig;
pub use endpoint::Endpoint;
pub use keys::{KeyError, KeyRing};
pub use limits::Limits;

/// The newest revision of the protocol that is spoken here.
pub const PROTOCOL_VERSION: &str = "2026-07-28";
