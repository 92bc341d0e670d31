//! The client side of the proxy: per-worker HTTP connections to one server at a time.
//!
//! An [`Endpoint`] holds one thread's connections to one generation of one server and reuses them, the most recently
//! used first. It belongs to a single-threaded runtime: no lock is taken and nothing is handed between threads.
//! [`fetch`] is the other need, one request on a connection of its own, for probes and command lines.
//!
//! ```
//! use http::Request;
//! use ostler_upstream::{Empty, Endpoint, EndpointConfig, Repeat, SendError};
//!
//! # tokio::runtime::LocalRuntime::new()?.block_on(async {
//! let endpoint = Endpoint::<Empty>::new("127.0.0.1:1".parse()?, EndpointConfig::default());
//! let refused = endpoint.send(Request::get("/").body(Empty::default())?, Repeat::IfIdempotent).await;
//! assert!(matches!(refused, Err(SendError::Connect { .. })));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod config;
mod connection;
mod endpoint;
mod error;
mod fetch;
mod io;
mod link;
mod reply;

pub use config::EndpointConfig;
pub use endpoint::{Endpoint, Repeat};
pub use error::SendError;
pub use fetch::{FetchError, fetch};
pub use reply::Reply;

/// The body of a request that has none.
pub type Empty = http_body_util::Empty<bytes::Bytes>;
