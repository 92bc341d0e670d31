//! What happens in a session, for those who watch it.

use ostler_journal::Json;
use serde::{Deserialize, Serialize};

/// Something that happened in a session, with its number in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEvent {
    /// Counted from 1 as long as the session is live; numbers that are missing were dropped.
    pub seq: u64,
    /// What.
    pub kind: SessionEventKind,
}

/// What can happen in a session.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEventKind {
    /// The tool is so far.
    Progress {
        /// How far; it grows.
        progress: f64,
        /// Where the end is, if that is known.
        total: Option<f64>,
        /// What it is doing.
        message: Option<String>,
    },
    /// The tool has something to tell.
    Log {
        /// How bad it is.
        level: LogLevel,
        /// The part of the tool that tells it.
        logger: Option<String>,
        /// What.
        data: Json,
    },
}

/// How bad something is ([RFC 5424](https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of the RFC")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}
