//! The `ostler` program and its library, as users meet them.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod activation;
mod admin_api;
mod admin_events;
mod admin_gate;
mod attacks;
mod binary;
mod cli_commands;
mod cli_up;
mod clients;
mod endings;
mod fault_lives;
mod faults;
mod keep_alive;
mod lineage;
mod mishaps;
mod processes;
mod raw;
mod replace;
mod replace_failures;
mod replace_load;
mod resumed;
mod runtime;
mod smuggling;
mod stage;
mod streams;
mod tools;
mod tools_auth;
mod tools_call;
mod tools_clients;
mod tools_kills;
mod tools_rmcp;
mod tools_sealed;
