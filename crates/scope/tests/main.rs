//! The laws of structured concurrency and the messaging rules, through the public API.

mod laws;
mod messaging;
mod support;
