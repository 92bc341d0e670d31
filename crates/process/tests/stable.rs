//! A launcher with everything around it, for one test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ostler_net::{Address, Stream};
use ostler_pool::{Generation, Key, Start};
use ostler_process::{
    Cgroups, Child, ChildSpec, GuardProgram, Launcher, LauncherConfig, PortRange, StartError, StopBudgets,
};
use ostler_scope::{Deadline, Scope};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::block::{Block, PORTS};
use crate::traces::assert_nothing_left;

pub(crate) const FAKE: &str = env!("CARGO_BIN_EXE_ostler-process-fake");
pub(crate) const HOST: &str = "shop.localhost";

pub(crate) struct Stable {
    pub(crate) scope: Scope,
    pub(crate) launcher: Launcher,
    pub(crate) block: Block,
    root: TempDir,
}

/// A child that is ready, and the scope it lives in.
pub(crate) struct Stall {
    pub(crate) child: Child,
    pub(crate) scope: Scope,
}

impl Stable {
    pub(crate) async fn open() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn without_cgroups() -> Self {
        Self::with(|config| LauncherConfig { cgroups: Cgroups::Never, ..config }).await
    }

    pub(crate) async fn with(change: impl FnOnce(LauncherConfig) -> LauncherConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        let scope = Scope::root("test").open().unwrap();
        let block = Block::claim();
        let config = change(LauncherConfig {
            ports: PortRange { base: block.base, count: PORTS, ..PortRange::default() },
            runtime_root: Some(root.path().to_owned()),
            guard: GuardProgram::Path(FAKE.into()),
            ..LauncherConfig::default()
        });
        let launcher = Launcher::open(&scope, config).await.unwrap();
        Self { scope, launcher, block, root }
    }

    /// A path for the fake to write to.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files().join(name)
    }

    fn files(&self) -> PathBuf {
        let path = self.root.path().with_extension("files");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) async fn serve(&self, switches: &[&str]) -> Result<Stall, StartError> {
        self.start(&fake(switches)).await
    }

    pub(crate) async fn start(&self, spec: &ChildSpec) -> Result<Stall, StartError> {
        self.start_within(spec, Duration::from_secs(20)).await
    }

    pub(crate) async fn start_within(&self, spec: &ChildSpec, limit: Duration) -> Result<Stall, StartError> {
        let start = self.order(limit);
        let child = self.launcher.start(spec, HOST, &start).await?;
        Ok(Stall { child, scope: start.scope })
    }

    pub(crate) fn order(&self, limit: Duration) -> Start {
        Start {
            key: Key::new(HOST),
            generation: Generation::new(1),
            scope: self.scope.child("server").supervised().open().unwrap(),
            deadline: Deadline::after(limit),
        }
    }

    /// Halts everything and asserts that nothing of it is left.
    pub(crate) async fn close(self) {
        let report = self.scope.halt().await;
        assert!(report.is_clean(), "{report:?}");
        let _ = std::fs::remove_dir_all(self.files());
        assert_nothing_left(self.launcher.mark(), self.root.path());
    }
}

/// A specification of the fake that is quick to stop.
pub(crate) fn fake(switches: &[&str]) -> ChildSpec {
    let budgets = StopBudgets { drain: Duration::from_millis(200), ..StopBudgets::default() };
    ChildSpec::new([FAKE, "serve"].iter().chain(switches)).unwrap().stop(budgets)
}

/// What the fake answers to a request.
pub(crate) async fn get(address: &Address, path: &str) -> String {
    let mut stream = Stream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
