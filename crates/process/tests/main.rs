//! Children that misbehave in every way we know, and what must be true afterwards: the typed error, and nothing left.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its own helpers included")]

mod block;
mod guard;
mod logs;
mod ports;
mod ready;
mod spec;
mod stable;
mod stop;
mod sweep;
mod traces;
