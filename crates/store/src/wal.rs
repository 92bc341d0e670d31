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
    /// Writes between two looks: more each time that it could not be shortened, since every try waits for whoever reads.
    between: u32,
}

impl Wal {
    const LEAST: u32 = 64;
    const MOST: u32 = 65_536;

    pub(crate) fn new(database: &Path, wal_bytes: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            bound: wal_bytes.saturating_mul(4),
            pause: Self::LEAST,
            between: Self::LEAST,
        }
    }

    /// Whether, after another write, it is.
    pub(crate) fn is_too_long(&mut self) -> bool {
        self.pause -= 1;
        if self.pause > 0 {
            return false;
        }
        self.pause = self.between;
        std::fs::metadata(&self.path).is_ok_and(|log| log.len() > self.bound)
    }

    /// It was shortened, or somebody was in the way.
    pub(crate) fn tried(&mut self, outcome: Shortening) {
        self.between = match outcome {
            Shortening::Done => Self::LEAST,
            Shortening::InTheWay => self.between.saturating_mul(8).min(Self::MOST),
        };
        self.pause = self.between;
    }
}

/// What came of shortening the log by force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortening {
    Done,
    InTheWay,
}

#[cfg(test)]
mod tests {
    use super::{Shortening, Wal};

    #[test]
    fn a_log_that_cannot_be_shortened_is_left_alone_for_longer() {
        let file = tempfile::NamedTempFile::with_suffix("-wal").unwrap();
        std::fs::write(file.path(), "longer than four bytes").unwrap();
        let database = file.path().to_str().unwrap().strip_suffix("-wal").unwrap();
        let mut wal = Wal::new(database.as_ref(), 1);
        let mut writes = || (1..).find(|_| wal.is_too_long()).unwrap();
        assert_eq!(writes(), 64);
        assert_eq!(writes(), 64);
        wal.tried(Shortening::InTheWay);
        let mut writes = || (1..).find(|_| wal.is_too_long()).unwrap();
        assert_eq!(writes(), 512);
        wal.tried(Shortening::Done);
        let mut writes = || (1..).find(|_| wal.is_too_long()).unwrap();
        assert_eq!(writes(), 64);
    }
}
