//! The configuration of Ostler: read, checked as a whole, and refused with every problem at once.
//!
//! ```
//! use ostler_config::{Config, Target};
//!
//! let config = Config::parse(
//!     r#"
//!     [pool]
//!     idle_timeout = "5m"
//!
//!     [[server]]
//!     host = "shop.localhost"
//!     command = ["node", "server.js", "--port", "{port}"]
//!     ready = "/health"
//!     "#,
//!     "ostler.toml",
//! )?;
//! assert_eq!(config.servers[0].host.to_string(), "shop.localhost");
//! assert!(matches!(config.servers[0].target, Target::Command(_)));
//!
//! let error = Config::parse("[pool]\nmax_servrs = 5\n", "ostler.toml").unwrap_err();
//! assert!(error.to_string().contains("did you mean `max_servers`?"));
//! # Ok::<(), ostler_config::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

mod admin;
mod auth;
mod bounds;
mod builtin;
mod certificate;
mod check;
mod command;
mod config;
mod document;
mod environment;
mod error;
mod host;
mod http2;
mod load;
mod log;
mod mcp;
mod pool;
mod problem;
mod reader;
mod render;
mod report;
mod resolve;
mod schema;
mod section;
mod server;
mod setting;
mod store;
mod switchboard;
mod tools;
mod unknown;
mod upstream;
mod visit;
mod words;

pub use admin::Admin;
pub use auth::{Auth, Identifier, Jwks, Scope, ToolScopes};
pub use bounds::Bounds;
pub use builtin::Builtins;
pub use command::Ready;
pub use config::Config;
pub use error::{ConfigError, Finding, Location, Problems};
pub use http2::Http2;
pub use load::{Loaded, Origin};
pub use log::{Log, LogFormat};
pub use mcp::{Mcp, ToolSet};
pub use pool::{Backoff, Breaker, Pool};
pub use server::{Builtin, Command, Policy, Server, Target};
pub use setting::{Limit, LogFilter, TrustedProxy, VariableName};
pub use store::{Store, StoreUrl};
pub use switchboard::{Forwarded, RequestId, Switchboard, Traceparent};
pub use tools::{Resume, Tools};
pub use upstream::Upstream;
