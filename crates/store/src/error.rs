//! What can go wrong, and what can be done about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostler_journal::StorageError;
use ostler_scope::Closed;

use crate::lock::LockError;

/// Why a store was not opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It may not be written.
    #[error("{} cannot be written: give this user the right to write it and the folder it is in, or name another file", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for it.
    #[error("there is no room for {}: free some on its disk, or name a file on another one", .path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{} is not a database: name another file, or move this one away", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// It is the database of another program.
    #[error("{} is another program's database: name another file", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version has written it.
    #[error(
        "{} has schema {found}, and this program knows schemas up to {known}: start the version that wrote it, or a later one",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The last one that this program knows.
        known: i64,
    },
    /// The file cannot be created or found.
    #[error("{} cannot be opened", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite gives up.
    #[error("{} cannot be used", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// The scope it was to live in is halting.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl OpenError {
    pub(crate) fn from_file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::File { path, source },
        }
    }

    pub(crate) fn from_sqlite(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match Fault::of(&source) {
            Fault::Full => Self::DiskFull { path },
            Fault::ReadOnly => Self::ReadOnly { path },
            Fault::NotADatabase => Self::NotADatabase { path },
            Fault::Refused | Fault::Busy | Fault::Unsynced | Fault::Other => Self::Sqlite { path, source },
        }
    }
}

/// What an error of SQLite means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A constraint: the guard of a write.
    Refused,
    /// No room, on the disk or within the bound.
    Full,
    /// Somebody took away the right to write.
    ReadOnly,
    /// Another process has been writing all the time.
    Busy,
    /// It is no database, or not any more.
    NotADatabase,
    /// The disk has failed to take what was written. Linux forgets what it could not write, so that trying again would succeed
    /// without it.
    Unsynced,
    Other,
}

impl Fault {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
        code.map_or(Self::Other, Self::of_code)
    }

    /// By the [extended result code](https://www.sqlite.org/rescode.html), whose last byte is the primary one.
    const fn of_code(code: i32) -> Self {
        match code {
            // SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC.
            1034 | 1290 => Self::Unsynced,
            // SQLITE_IOERR_SHMSIZE: the index of the log has no room to grow.
            4874 => Self::Full,
            _ => match code & 0xff {
                5 | 6 => Self::Busy,
                8 => Self::ReadOnly,
                13 => Self::Full,
                19 => Self::Refused,
                11 | 26 => Self::NotADatabase,
                _ => Self::Other,
            },
        }
    }
}

/// Why a store that is open did not do what it was asked, as the source of a [`StorageError`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no room.
    #[error("there is no room for more in {}: free some on its disk, or raise the store's bound; writes go on as soon as there is", .path.display())]
    DiskFull {
        /// The file.
        path: Arc<Path>,
    },
    /// It may not be written any more.
    #[error("{} cannot be written any more: give this user the right to write it again", .path.display())]
    ReadOnly {
        /// The file.
        path: Arc<Path>,
    },
    /// Another process writes.
    #[error("{} is being written by another process", .path.display())]
    Busy {
        /// The file.
        path: Arc<Path>,
    },
    /// It is not what it was.
    #[error("{} is damaged: restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: Arc<Path>,
    },
    /// The disk failed.
    #[error("the disk of {} has lost what was written to it: look after it, and start Ostler again", .path.display())]
    Unsynced {
        /// The file.
        path: Arc<Path>,
    },
    /// The entry is larger than it may be.
    #[error("an entry of {bytes} bytes is too large: at most {most} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// Something else.
    #[error("{} cannot be used: {source}", .path.display())]
    Other {
        /// The file.
        path: Arc<Path>,
        /// What it was.
        source: Arc<sqlx::Error>,
    },
}

impl StoreError {
    /// The cause of `error`, if it was a store like this one.
    #[must_use]
    pub fn of(error: &StorageError) -> Option<&Self> {
        error.source.as_deref()?.downcast_ref()
    }

    pub(crate) fn new(path: &Arc<Path>, error: sqlx::Error) -> Self {
        let path = Arc::clone(path);
        match Fault::of(&error) {
            Fault::Full => Self::DiskFull { path },
            Fault::ReadOnly => Self::ReadOnly { path },
            Fault::Busy => Self::Busy { path },
            Fault::NotADatabase => Self::Damaged { path },
            Fault::Unsynced => Self::Unsynced { path },
            Fault::Refused | Fault::Other => Self::Other { path, source: Arc::new(error) },
        }
    }
}

impl From<StoreError> for StorageError {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn codes_mean_what_sqlite_says() {
        let cases = [
            (1299, Fault::Refused),    // SQLITE_CONSTRAINT_NOTNULL
            (2067, Fault::Refused),    // SQLITE_CONSTRAINT_UNIQUE
            (787, Fault::Refused),     // SQLITE_CONSTRAINT_FOREIGNKEY
            (13, Fault::Full),         // SQLITE_FULL
            (4874, Fault::Full),       // SQLITE_IOERR_SHMSIZE
            (264, Fault::ReadOnly),    // SQLITE_READONLY_RECOVERY
            (5, Fault::Busy),          // SQLITE_BUSY
            (517, Fault::Busy),        // SQLITE_BUSY_SNAPSHOT
            (26, Fault::NotADatabase), // SQLITE_NOTADB
            (1034, Fault::Unsynced),   // SQLITE_IOERR_FSYNC
            (1290, Fault::Unsynced),   // SQLITE_IOERR_DIR_FSYNC
            (778, Fault::Other),       // SQLITE_IOERR_WRITE
            (1, Fault::Other),         // SQLITE_ERROR
        ];
        for (code, fault) in cases {
            assert_eq!(Fault::of_code(code), fault, "{code}");
        }
    }
}
