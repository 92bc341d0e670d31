//! The laws of structured concurrency and the messaging rules, through the public API.

#![allow(clippy::unwrap_used, reason = "what is unexpected in a test fails it, in its support functions too")]

mod laws;
mod messaging;
mod support;
