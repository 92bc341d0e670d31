//! The `ostler` program and its library, as users meet them.

mod admin_api;
mod admin_events;
mod admin_gate;
mod binary;
mod cli_commands;
mod cli_up;
mod raw;
