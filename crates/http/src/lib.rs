//! An HTTP server whose every connection is accounted for, with a drain that has a deadline and a result.
//!
//! A [`Server`] accepts on one listener and serves either on the runtime it was started on ([`Server::start`]) or on
//! the data plane's [`Workers`], one current-thread runtime per core ([`Server::start_on`]). Every connection stands in
//! a table with its [`Phase`]; idle and half-sent requests are timed out by a sweep over that table, so that a request
//! arms no timer of its own. [`Server::drain`] stops accepting, lets what is in flight finish, and says what did not.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http_body_util::Full;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, body::{Bytes, Incoming}};
//! use ostler_http::{Drain, Server, ServerConfig};
//! use ostler_net::Listener;
//! use ostler_scope::{Deadline, Scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::root("app").open()?;
//! let listener = Listener::bind(&"127.0.0.1:0".parse()?).await?;
//! let server = Server::start(&scope, "hello", listener, ServerConfig::default(), |_connection| {
//!     service_fn(async |_request: Request<Incoming>| {
//!         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
//!     })
//! })?;
//! let drained = server.drain(Deadline::after(std::time::Duration::from_secs(5))).await;
//! assert!(matches!(drained, Drain::Drained { served: 0, .. }));
//! # scope.halt().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod accept;
mod config;
mod connection;
mod drain;
mod exchange;
mod io;
mod serve;
mod server;
mod share;
mod table;
mod upgrade;
mod worker;

pub use config::ServerConfig;
pub use connection::{Connection, Phase};
pub use drain::{Drain, Remaining};
pub use exchange::Exchange;
pub use serve::ConnectionService;
pub use server::{DrainTimedOut, Server};
pub use upgrade::{Ending, Upgraded};
pub use worker::{Workers, WorkersConfig};
