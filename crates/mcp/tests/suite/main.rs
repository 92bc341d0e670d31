//! The endpoint, as clients meet it.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod auth;
mod conformance;
mod hostile;
#[path = "../../examples/conformance_server/offered/mod.rs"]
mod offered;
mod sealed;
mod session;
mod stage;
mod stateful;
mod states;
mod stdio;
mod wire;
