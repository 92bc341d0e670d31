//! The process host for MCP-native servers: started on the first call, gone when idle, never orphaned.
//!
//! This crate is both the `ostler` program and the library behind it. As a library it is a pool of servers, a switchboard in
//! front of them and a scope that owns both; see `examples/embedded.rs` for all of it in twenty lines.
#![forbid(unsafe_code)]

pub mod admin;
pub mod cli;
mod data;
pub mod demo;
mod echo;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod in_process;
mod main_scope;
mod mcp;
mod outputs;
mod probe;
mod replace;
mod servers;
mod service_manager;
mod sockets;
mod thrift;

pub use data::DataError;
pub use echo::{Echo, EchoBody};
pub use host::{Host, HostError, HostOptions};
pub use in_process::{Assignment, InProcess, InProcessError, InProcessServers};
pub use main_scope::main;
pub use mcp::Mcp;
pub use ostler_config as config;
pub use ostler_http::{
    Discard, Drain, Event as HttpEvent, EventCounts, EventKind as HttpEventKind, Observer, Print,
    RequestBody, ServeError, ServerConfig, ServerHandle, Tracing, Workers, WorkersConfig, serve, serve_on,
};
pub use ostler_mcp as endpoint;
pub use ostler_net::{Address, HostPattern, Listener};
pub use ostler_pool::{
    Event, EventKind, Factory, Key, Lease, LeaseError, Policy, Pool, PoolConfig, Resource,
};
pub use ostler_process::{GuardProgram, Launcher, LauncherConfig, PortRange, Ports};
pub use ostler_scope::{BoxError, Deadline, Scope};
pub use ostler_store as store;
pub use ostler_switchboard::{Routes, Switchboard, SwitchboardConfig, Target};
pub use ostler_tools as tools;
pub use probe::{HttpProbe, NotWell};
pub use replace::Program;
pub use servers::{CommandError, Running, Servers};
pub use sockets::{Sockets, SocketsError};
