//! For the tests of the other crates: a client that sees every byte, and a server that says byte for byte what a test wants.
//!
//! ```
//! use ostler_testing::{Backend, Client};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = Backend::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
//! let mut client = Client::connect(&server.address).await;
//! client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
//! assert_eq!(client.read_to("\r\n\r\n").await, "HTTP/1.1 204 No Content\r\n\r\n");
//! # }
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod backend;
mod client;
pub mod http2;
mod tls;

pub use backend::{Backend, Held, Peer};
pub use client::Client;
pub use http2::Http2;
pub use tls::{Encrypted, SelfSigned};

/// How long a test waits for what must happen before it says that it did not.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
