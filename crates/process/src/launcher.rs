//! The launcher: what all children of one Ostler share, and the end of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ostler_scope::{Cleanup, Scope, ScopeError};
use tokio::time::Instant;

use crate::census::Quarry;
use crate::cgroup::{self, InstanceCgroup};
use crate::chase::Chase;
use crate::config::{Cgroups, LauncherConfig};
use crate::error::{OpenError, StopError};
use crate::guard::{self, GuardPost, Orders};
use crate::mark::{self, InstanceMark, Place};
use crate::ports::Ports;
use crate::procfs::Stat;
use crate::runtime_dir::{self, RuntimeDir};
use crate::spawn::Spawner;
use crate::walker::Walker;
use crate::{reaper, sweep};

/// How long the end may take when there is no time left for it: less than the grace of a scope.
const LAST_CHANCE: Duration = Duration::from_millis(80);

/// Starts children and sees to it that none outlives us. Clones are the same launcher.
///
/// One per process is meant, though more work. It makes this process the subreaper of all below it: orphans come to us and are
/// waited for. Other code of the process may start programs too, but not in new sessions from its first thread: such a
/// zombie could not be told from an orphan.
#[derive(Clone)]
pub struct Launcher {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) mark: String,
    pub(crate) spawner: Spawner,
    pub(crate) walker: Walker,
    pub(crate) ports: Ports,
    pub(crate) port_attempts: u32,
    pub(crate) runtime_dir: RuntimeDir,
    pub(crate) cgroup: Option<InstanceCgroup>,
}

impl Launcher {
    /// Opens a launcher that lives as long as `scope`: sweeps what dead instances left, starts the guard, and returns. When
    /// `scope` halts, everything with this instance's mark is ended before the guard is dismissed.
    ///
    /// Scopes of children must end before, which they do when they belong to something opened later in `scope`.
    ///
    /// # Errors
    /// An [`OpenError`] within the [`ScopeError`], see [`ScopeError::downcast_ref`].
    pub async fn open(scope: &Scope, config: LauncherConfig) -> Result<Self, ScopeError> {
        scope.resource("launcher", |own| async move { open(&own, config).await }).await
    }

    /// The value of `OSTLER_INSTANCE` in every process that descends from a child.
    pub fn mark(&self) -> &str {
        &self.inner.mark
    }

    /// The ports children are given, for servers inside this process that want one of the same range.
    pub fn ports(&self) -> &Ports {
        &self.inner.ports
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").field("mark", &self.inner.mark).finish_non_exhaustive()
    }
}

async fn open(scope: &Scope, config: LauncherConfig) -> Result<Launcher, OpenError> {
    if guard::is_guard() {
        return Err(OpenError::GuardSilent);
    }
    let here = Place::here().map_err(OpenError::Proc)?;
    let mark = InstanceMark::new().map_err(OpenError::Proc)?;
    let root = config.runtime_root.unwrap_or_else(runtime_dir::default_root);

    // Created in this order, ended in the reverse one: the guard stands until everything else is done.
    let spawner = Spawner::start(scope)?;
    let walker = Walker::start(scope)?;
    sweep::sweep(&walker, &root, &here, config.sweep_budget).await.map_err(OpenError::Proc)?;
    let runtime_dir = RuntimeDir::create(&root, &mark)
        .map_err(|source| OpenError::RuntimeDir { root: root.display().to_string(), source })?;
    let cgroup = match config.cgroups {
        Cgroups::WhereWritable => InstanceCgroup::create(&mark),
        Cgroups::Never => None,
    };
    let orders = Orders {
        program: config.guard,
        instance: mark.to_string(),
        cgroup: cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()),
        runtime_dir: runtime_dir.path().to_owned(),
    };
    let inner = Arc::new(Inner {
        mark: mark.to_string(),
        spawner: spawner.clone(),
        walker,
        ports: Ports::new(config.ports),
        port_attempts: config.port_attempts,
        runtime_dir,
        cgroup,
    });
    let directories = Arc::clone(&inner);
    scope.ensure("directories removed", move |_| async move {
        directories.remove_directories();
        Ok::<(), OpenError>(())
    })?;
    GuardPost::open(scope, &spawner, orders).await?;
    reaper::start(scope)?;
    let everything = Arc::clone(&inner);
    scope.ensure("everything marked ended", move |cleanup| async move {
        everything.end(&cleanup, config.end_budget).await
    })?;
    Ok(Launcher { inner })
}

impl Inner {
    /// Ends what the children's own ends have missed, of which there should be nothing.
    async fn end(&self, cleanup: &Cleanup, budget: Duration) -> Result<(), StopError> {
        let began = Instant::now();
        // Even past the deadline: what is killed is gone within milliseconds, and it is our last chance to do it.
        let deadline = cleanup.deadline.instant().min(began + budget).max(began + LAST_CHANCE);
        loop {
            // Orphans without any mark can only be ours too: they cleared their environment. Others may be another launcher's: the
            // children of a process below us that was killed, and the guard that is about to end them.
            let of_nobody = |stat: &Stat| stat.is_alive() && !mark::is_of_an_instance(stat.pid);
            let unmarked = reaper::adopted().into_iter().filter(of_nobody);
            let family: Vec<_> = unmarked.map(|stat| (stat.pid, stat.started)).collect();
            let is_last = family.is_empty();
            let quarry = Quarry { family, ..Quarry::instance(self.mark.clone()) };
            let cgroup = self.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned());
            let outcome = self.walker.run(&mut Chase::new(quarry, cgroup), deadline).await;
            reaper::reap_adopted();
            outcome.map_err(|pids| StopError { after: began.elapsed(), pids })?;
            // The end of those may have orphaned others.
            if is_last {
                return Ok(());
            }
        }
    }

    fn remove_directories(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup::remove(cgroup.path());
        }
        runtime_dir::remove(self.runtime_dir.path());
    }
}
