//! A directory only we can enter, for the Unix sockets of children.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use crate::mark::{InstanceMark, Owner, Place};

/// What the kernel takes for the path of a Unix socket, without the final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// Room for the longest name we give a socket in the directory.
const MAX_SOCKET_NAME: usize = "/4294967295.sock".len();

const PREFIX: &str = "ostler-";

/// The directory of one instance. Removed by the launcher's end, by the guard, or by the next start.
#[derive(Debug)]
pub(crate) struct RuntimeDir {
    path: PathBuf,
    next: AtomicU64,
}

/// The path of a socket that is removed when this value goes.
#[derive(Debug)]
pub(crate) struct SocketPath(PathBuf);

impl RuntimeDir {
    /// Creates `<root>/ostler-<mark>` with mode 0700.
    pub(crate) fn create(root: &Path, mark: &InstanceMark) -> io::Result<Self> {
        let path = root.join(format!("{PREFIX}{mark}"));
        let length = path.as_os_str().len() + MAX_SOCKET_NAME;
        if length > MAX_SOCKET_PATH {
            let message = format!(
                "{} is too long for Unix sockets: {length} bytes, {MAX_SOCKET_PATH} fit",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, message));
        }
        // `create` and not `create_all`: what already exists there is not ours, whatever it is.
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, next: AtomicU64::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path no earlier child of this instance had.
    pub(crate) fn socket(&self) -> SocketPath {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        SocketPath(self.path.join(format!("{number}.sock")))
    }
}

impl SocketPath {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // Most servers remove their own, and one that never bound has none.
        let _ = fs::remove_file(&self.0);
    }
}

/// The root unless told otherwise: the user's own runtime directory, else where temporary files go.
pub(crate) fn default_root() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .unwrap_or_else(std::env::temp_dir)
}

/// Removes the directories of dead instances of our user under `root`.
pub(crate) fn sweep(root: &Path, here: &Place) -> io::Result<()> {
    let own_user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(root)?.flatten() {
        let name = entry.file_name();
        let Some(mark) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let Ok(mark) = mark.parse::<InstanceMark>() else { continue };
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        if metadata.is_dir() && metadata.uid() == own_user && mark.owner(here) == Owner::Dead {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// Removes an instance's directory and the sockets in it, and nothing else: it may be the guard that does so.
pub(crate) fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
    if let Err(error) = fs::remove_dir(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a runtime directory stays behind");
    }
}
