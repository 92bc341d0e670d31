//! The files of one certificate, and whether they have changed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{CertificateError, Part};

/// The longest file that is read, in bytes. A chain has a few KiB.
const LONGEST: u64 = 1 << 20;

/// Where one certificate is read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// PEM: the server's certificate first, then those that lead from it to an authority.
    pub cert: PathBuf,
    /// PEM: its private key. It may be the same file.
    pub key: PathBuf,
}

/// What changes when either file is written, replaced, or reached through another symbolic link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp([Option<FileStamp>; 2]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Of the content: seconds and nanoseconds.
    modified: (i64, i64),
    /// Of content and inode, which a copy with preserved times changes too.
    changed: (i64, i64),
}

impl CertificateFiles {
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp([&self.cert, &self.key].map(|path| std::fs::metadata(path).ok().map(FileStamp::from)))
    }

    pub(crate) fn read(&self, part: Part) -> Result<Vec<u8>, CertificateError> {
        let path = self.path(part);
        read(path).map_err(|source| CertificateError::Unreadable { part, path: path.to_owned(), source })
    }

    pub(crate) fn path(&self, part: Part) -> &Path {
        match part {
            Part::Certificate => &self.cert,
            Part::Key => &self.key,
        }
    }
}

impl From<Metadata> for FileStamp {
    fn from(file: Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than any certificate"));
    }
    Ok(bytes)
}
