//! One Ostler per file, and two while one replaces the other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a file's lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is in use by another Ostler: stop that one, or name another file", .path.display())]
    InUse {
        /// The file that is guarded.
        path: PathBuf,
    },
    /// The system cannot lock.
    #[error("{} cannot be locked", .path.display())]
    Unusable {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// An advisory lock on a file beside the database: on the database itself it would meet SQLite's own. The system gives it back
/// when the process ends, however it does.
#[derive(Debug)]
pub(crate) struct Lock {
    /// What is guarded.
    guarded: PathBuf,
    /// Where the lock is.
    path: PathBuf,
    /// Open as long as the lock is held; none once it is given back.
    file: Mutex<Option<File>>,
}

impl Lock {
    /// Takes the lock of `database`: alone, or beside a predecessor that shares it.
    pub(crate) fn take(database: &Path, successor: bool) -> Result<Self, LockError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-lock");
        let path = PathBuf::from(path);
        let file =
            private().open(&path).map_err(|source| LockError::Unusable { path: path.clone(), source })?;
        let lock = Self { guarded: database.to_owned(), path, file: Mutex::new(None) };
        lock.try_lock(&file, if successor { Kind::Shared } else { Kind::Exclusive })?;
        *lock.file() = Some(file);
        Ok(lock)
    }

    /// Lets a successor in.
    pub(crate) fn share(&self) -> Result<(), LockError> {
        let file = self.file();
        self.try_lock(file.as_ref().ok_or(LockError::Closed)?, Kind::Shared)
    }

    /// Lets nobody in any more.
    pub(crate) fn claim(&self) -> Result<(), LockError> {
        let guard = self.file();
        let file = guard.as_ref().ok_or(LockError::Closed)?;
        let claimed = self.try_lock(file, Kind::Exclusive);
        if claimed.is_err() {
            // A lock that could not be converted is lost: see flock(2).
            self.try_lock(file, Kind::Shared)?;
        }
        claimed
    }

    /// Gives it back.
    pub(crate) fn release(&self) {
        drop(self.file().take());
    }

    fn try_lock(&self, file: &File, kind: Kind) -> Result<(), LockError> {
        let tried = match kind {
            Kind::Exclusive => file.try_lock(),
            Kind::Shared => file.try_lock_shared(),
        };
        tried.map_err(|error| match error {
            TryLockError::WouldBlock => LockError::InUse { path: self.guarded.clone() },
            TryLockError::Error(source) => LockError::Unusable { path: self.path.clone(), source },
        })
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Exclusive,
    Shared,
}

/// How a file is opened that nobody else may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
