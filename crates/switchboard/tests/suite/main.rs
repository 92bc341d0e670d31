//! The switchboard through its public interface: raw clients on one side, scripted servers on the other.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod drain;
mod exchange;
mod failures;
mod fields;
mod goodbyes;
mod http2;
mod loops;
mod stage;
mod streams;
mod wire;
