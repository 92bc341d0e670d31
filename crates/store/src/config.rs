//! What can be chosen.

use std::path::PathBuf;
use std::time::Duration;

/// How a database is kept.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The file. Beside it are `-wal` and `-shm`, which are part of it, and `-lock`. It must be on a disk of this machine: what
    /// SQLite needs for its write-ahead log, network file systems do not have.
    pub path: PathBuf,
    /// Whether this process takes over from another one that has the file open and has called
    /// [`share`](crate::SqliteStorage::share).
    pub successor: bool,
    /// Connections to read with, each with a thread; at least one.
    pub readers: usize,
    /// Appends that wait for the writer. Whoever comes then waits to be one of them.
    pub queue: usize,
    /// Entries that are committed together, unless one append alone has more.
    pub group_entries: usize,
    /// Bytes of entries that are committed together, unless one append alone has more.
    pub group_bytes: usize,
    /// Bytes of the largest entry. A larger one is refused, so that it cannot fail what is committed together with it.
    pub entry_bytes: usize,
    /// Bytes up to which the write-ahead log grows before it is copied into the file. More mean fewer copies of the same page and
    /// a longer start after a crash.
    pub wal_bytes: u64,
    /// Bytes up to which the file grows; as long as the disk has room if there is no bound.
    pub max_bytes: Option<u64>,
    /// How long a write waits while another process writes, as during a replacement.
    pub busy_timeout: Duration,
}

impl SqliteConfig {
    /// The defaults, for the file at `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            successor: false,
            readers: 2,
            queue: 1024,
            group_entries: 256,
            group_bytes: 4 << 20,
            entry_bytes: 64 << 20,
            wal_bytes: 16 << 20,
            max_bytes: None,
            busy_timeout: Duration::from_secs(5),
        }
    }
}
