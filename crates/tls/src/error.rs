//! What can be wrong with a certificate's files.

use std::io;
use std::path::PathBuf;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read the {part} `{}`", path.display())]
    Unreadable {
        /// Which of the two files.
        part: Part,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file without the PEM section that it is named for.
    #[error("`{}` has no {part} in PEM form", path.display())]
    Missing {
        /// Which of the two files.
        part: Part,
        /// The file.
        path: PathBuf,
    },
    /// A PEM section that holds something else than it says, or a key of a kind that is not supported.
    #[error("the {part} in `{}` cannot be used: {why}", path.display())]
    Unusable {
        /// Which of the two files.
        part: Part,
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key is another certificate's.
    #[error("the key in `{}` is not the one of the certificate in `{}`", key.display(), cert.display())]
    KeyMismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// There is nothing to choose from.
    #[error("a TLS listener needs a certificate")]
    None,
}

/// One of the two files of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate, and those that lead from it to an authority.
    Certificate,
    /// Its private key.
    Key,
}

impl CertificateError {
    /// Which of the two files it is about.
    pub fn part(&self) -> Part {
        match self {
            Self::Unreadable { part, .. } | Self::Missing { part, .. } | Self::Unusable { part, .. } => *part,
            Self::KeyMismatch { .. } => Part::Key,
            Self::None => Part::Certificate,
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
        })
    }
}
