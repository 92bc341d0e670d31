//! The store through its public API, on files of its own.

#![allow(unreachable_pub, reason = "one crate: everything public is for its own modules")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what helps tests fails them by panicking, as they do"
)]

mod behaviour;
mod crash;
mod full;
mod group;
mod halt;
mod model;
mod open;
mod replace;
mod support;
