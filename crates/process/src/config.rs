//! What a launcher is opened with.

use std::path::PathBuf;
use std::time::Duration;

use crate::guard::GuardProgram;
use crate::ports::PortRange;

/// How a [`Launcher`](crate::Launcher) works. The defaults are those of `ostler up`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LauncherConfig {
    /// The ports children are given.
    pub ports: PortRange,
    /// How many ports one start tries when other programs take them first; 3 unless told otherwise.
    pub port_attempts: u32,
    /// Where the directory for Unix sockets is made: unless told otherwise `XDG_RUNTIME_DIR`, else the directory for temporary files.
    pub runtime_root: Option<PathBuf>,
    /// The process that ends the children when this one is killed.
    pub guard: GuardProgram,
    /// Whether children get cgroups.
    pub cgroups: Cgroups,
    /// How long the start-up sweep works on what dead instances left; 2 seconds unless told otherwise.
    pub sweep_budget: Duration,
    /// How long the launcher's end works on what its children's ends missed; 5 seconds unless told otherwise.
    pub end_budget: Duration,
}

/// Whether each child is started in a cgroup of its own, so that one write ends it with all it has forked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cgroups {
    /// Where there is a cgroup v2 we may write to.
    #[default]
    WhereWritable,
    /// Never: the group, the session and the mark tell who belongs to a child.
    Never,
}

impl Default for LauncherConfig {
    fn default() -> Self {
        Self {
            ports: PortRange::default(),
            port_attempts: 3,
            runtime_root: None,
            guard: GuardProgram::default(),
            cgroups: Cgroups::default(),
            sweep_budget: Duration::from_secs(2),
            end_budget: Duration::from_secs(5),
        }
    }
}
