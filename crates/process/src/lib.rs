//! Child processes as pool resources: spawn, readiness, the kill ladder, and a guard that leaves no orphan.
//!
//! A [`Launcher`] starts children of a [`ChildSpec`] for the pool. A start ends with a [`Child`] that serves on a port proven to be
//! its own, or with a [`StartError`] that says what the child last wrote:
//!
//! ```
//! use std::time::Duration;
//! use ostler_pool::{Generation, Key, Start};
//! use ostler_process::{ChildSpec, Exit, GuardProgram, Launcher, LauncherConfig, StartError};
//! use ostler_scope::{Deadline, Scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let scope = Scope::root("main").open()?;
//! // A program whose main begins with `guard::intercept()` keeps the default guard.
//! let config = LauncherConfig { guard: GuardProgram::None, ..LauncherConfig::default() };
//! let launcher = Launcher::open(&scope, config).await?;
//!
//! let spec = ChildSpec::new(["cat", "/no/such/file/{port}"])?;
//! let start = Start {
//!     key: Key::new("shop.localhost"),
//!     generation: Generation::new(1),
//!     scope: scope.child("shop.localhost").supervised().open()?,
//!     deadline: Deadline::after(Duration::from_secs(10)),
//! };
//! match launcher.start(&spec, "shop.localhost", &start).await {
//!     Err(StartError::ExitedEarly { exit, tail }) => {
//!         assert_eq!(exit, Exit::Status(1));
//!         assert!(tail.to_string().contains("/no/such/file/9"));
//!     }
//!     other => panic!("cat serves: {other:?}"),
//! }
//! assert!(scope.halt().await.is_clean()); // nothing that was started is left
//! # Ok(())
//! # }
//! ```
//!
//! # Nothing is left
//! Each of these holds where the one before it does not:
//! 1. The scope of a child ends it: SIGTERM to its group while the pool drains it, then `cgroup.kill`, SIGKILL to the group, and a walk
//!    over `/proc` for who left both, until a walk finds nobody.
//! 2. The launcher's end does the same for everything that carries the instance's mark, an environment variable all descendants
//!    inherit.
//! 3. When this process is killed, the kernel kills the children and the [`guard`] process everything else that is marked.
//! 4. When the guard was killed as well, the next launcher of the same user sweeps what dead instances left.
//!
//! Out of reach without cgroups: a descendant that cleared its environment, left its session *and* lost its parent. It ends with the
//! launcher, which is its reaper, but not with its server, and neither guard nor sweep can tell whose it was.
#![deny(unsafe_code)]

mod census;
mod cgroup;
mod chase;
mod child;
mod config;
mod environment;
mod error;
pub mod guard;
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
pub use sys::heap::release_free_memory;
pub use template::TemplateError;
