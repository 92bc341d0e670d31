//! An HTTP server whose every connection is accounted for, with a drain that has a deadline and a result.
//!
//! A server accepts on one listener and serves either on the runtime it was started on ([`serve`]) or on the data
//! plane's [`Workers`], one current-thread runtime per core ([`serve_on`]). Every connection stands in a table with its
//! [`Phase`]; what takes too long is found by a sweep over that table, so that a request arms no timer of its own.
//! [`ServerHandle::drain`] stops accepting, lets what is in flight finish, and says what did not. An [`Observer`] is told of
//! everything that happens to connections, and of the end of each exactly once.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http_body_util::Full;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, body::Bytes};
//! use ostler_http::{Drain, RequestBody, ServerConfig, Tracing, serve};
//! use ostler_net::Listener;
//! use ostler_scope::{Deadline, Scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::root("app").open()?;
//! let listener = Listener::bind(&"127.0.0.1:0".parse()?).await?;
//! let hello = |_: &_| {
//!     service_fn(async |_request: Request<RequestBody>| {
//!         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
//!     })
//! };
//! let server = serve(&scope, "hello", listener, ServerConfig::default(), Tracing, hello)?;
//! let drained = server.drain(Deadline::after(std::time::Duration::from_secs(5))).await;
//! assert!(matches!(drained, Drain::Drained { served: 0, .. }));
//! # scope.halt().await;
//! # Ok(())
//! # }
//! ```
//!
//! An observer of one's own is a closure:
//!
//! ```
//! # use ostler_http::{Event, Observer, Severity};
//! let alarm = |event: &Event| {
//!     if event.kind.severity() >= Severity::Warn {
//!         eprintln!("{}: {:?}", event.kind.name(), event);
//!     }
//! };
//! # fn is_observer(_: impl Observer) {}
//! # is_observer(alarm);
//! ```
//!
//! `examples/sigterm.rs` is a whole program that ends on SIGTERM with the result of its drain.
#![forbid(unsafe_code)]

mod accept;
mod body;
mod config;
mod connection;
mod counts;
mod drain;
mod drive;
mod end;
mod event;
mod exchange;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod h1;
mod h2;
mod handle;
mod io;
mod linger;
mod observer;
mod opening;
mod overdue;
mod pace;
mod phase;
mod refusal;
mod serve;
mod service;
mod share;
mod site;
mod supervisor;
mod sweep;
mod table;
mod transport;
mod upgrade;
mod upload;
mod vigil;
mod worker;

pub use body::{BodyError, RequestBody};
pub use config::{Admission, Http2Config, ServerConfig};
pub use connection::Connection;
pub use counts::EventCounts;
pub use drain::{Cut, Drain, Remaining, State};
pub use event::{BodyBound, ConnectionId, Event, EventKind, Fault, Protocol, SendSite, Severity, WriteBound};
pub use exchange::Exchange;
pub use handle::{DrainTimedOut, ServerHandle};
pub use observer::{Both, Discard, Observer, Print, Tracing};
pub use phase::Phase;
pub use refusal::{Refusal, check, check_codings, check_expectation, check_target};
pub use serve::{ServeError, serve, serve_on};
pub use service::ConnectionService;
pub use upgrade::{Ending, Upgraded};
pub use worker::{Workers, WorkersConfig};
