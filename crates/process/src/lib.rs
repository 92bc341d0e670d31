//! Child processes as pool resources: spawn, readiness, the kill ladder, and a guard that leaves no orphan.
#![deny(unsafe_code)]

mod census;
mod cgroup;
mod child;
mod config;
mod environment;
mod error;
pub mod guard;
mod hunt;
mod launcher;
mod leader;
mod lines;
mod listeners;
mod logs;
mod mark;
mod output;
mod pace;
mod ports;
mod probe;
mod procfs;
mod proof;
mod ready;
mod reaper;
mod running;
mod runtime_dir;
mod spawn;
mod spec;
mod start;
mod sweep;
mod sys;
mod template;
mod walker;

pub use child::{Child, Logs};
pub use config::{Cgroups, LauncherConfig};
pub use environment::{Environment, INHERITED};
pub use error::{Exited, OpenError, StartError, StopError};
pub use guard::GuardProgram;
pub use launcher::Launcher;
pub use leader::Exit;
pub use logs::{LogLimits, LogLine, Stream, Tail};
pub use mark::{GENERATION_VARIABLE, INSTANCE_VARIABLE, InstanceMark, NotAMark};
pub use ports::{NoFreePort, Port, PortRange, Ports};
pub use probe::{Probe, Readiness};
pub use spawn::SpawnError;
pub use spec::{ChildSpec, Endpoint, SpecError, StopBudgets};
pub use template::TemplateError;
