//! The length of the write-ahead log.

use std::path::{Path, PathBuf};

/// Looks after the log's length. SQLite copies it into the file once it is `wal_bytes` long, as far as no reader is in the way,
/// and begins anew only when all of it is copied and nobody reads it. Under a load without a pause that moment may not come by
/// itself.
#[derive(Debug)]
pub(crate) struct Wal {
    path: PathBuf,
    /// At which length it is shortened by force.
    bound: u64,
    /// Writes until it is looked at again.
    pause: u32,
}

impl Wal {
    const PAUSE: u32 = 64;

    pub(crate) fn new(database: &Path, wal_bytes: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), bound: wal_bytes.saturating_mul(4), pause: Self::PAUSE }
    }

    /// Whether, after another write, it is.
    pub(crate) fn is_too_long(&mut self) -> bool {
        self.pause -= 1;
        if self.pause > 0 {
            return false;
        }
        self.pause = Self::PAUSE;
        std::fs::metadata(&self.path).is_ok_and(|log| log.len() > self.bound)
    }
}
