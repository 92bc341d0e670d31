//! A store in a folder that is gone with it.

use std::path::{Path, PathBuf};

use ostler_journal::{Entry, JournalStorage};
use ostler_lease::Fence;
use ostler_scope::Scope;
use ostler_store::{OpenError, SqliteConfig, SqliteStorage};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

pub struct Inn {
    pub folder: TempDir,
}

impl Inn {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ostler.db")
    }

    pub fn config(&self) -> SqliteConfig {
        SqliteConfig::at(self.path())
    }
}

/// A store and the scope that owns it.
pub struct Open {
    pub scope: Scope,
    pub store: SqliteStorage,
}

impl Open {
    pub async fn with(config: SqliteConfig) -> Self {
        Self::try_with(config).await.unwrap()
    }

    pub async fn try_with(config: SqliteConfig) -> Result<Self, OpenError> {
        let scope = Scope::root("test").open().unwrap();
        match SqliteStorage::open(&scope, config).await {
            Ok(store) => Ok(Self { scope, store }),
            Err(error) => {
                assert!(scope.halt().await.is_clean());
                Err(error)
            }
        }
    }

    /// Appends what must be taken.
    pub async fn take(&self, batch: Vec<(Fence, Entry)>) {
        let answers = self.store.append(batch).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    pub async fn halt(self) {
        let report = self.scope.halt().await;
        assert!(report.is_clean(), "{report:?}");
    }
}

pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The file beside `path` whose name goes on with `ending`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What another process is told to run: one test of this binary, on the file at `path`.
pub fn child(test: &str, path: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("STORE_UNDER_TEST", path);
    command
}

/// The file that a parent has told this process, if it has one.
pub fn given() -> Option<PathBuf> {
    std::env::var_os("STORE_UNDER_TEST").map(Into::into)
}
