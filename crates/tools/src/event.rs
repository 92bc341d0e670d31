//! What happens in a session, for those who watch it.

use ostler_journal::{Json, Question};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// Something that happened in a session, with its number in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionEvent {
    /// Counted from 1 as long as the session is live; numbers that are missing were dropped.
    pub seq: u64,
    /// What.
    pub kind: SessionEventKind,
}

/// What can happen in a session. An [`Attempt`](crate::Attempt) is told of progress and log messages; the rest is its reply. A
/// [`Watcher`](crate::Watcher) is told of everything.
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
    /// The user is asked something.
    ElicitRequest(Question),
    /// The client's model is asked something.
    SampleRequest(Question),
    /// The client is asked where it works.
    RootsRequest(Question),
    /// The session has ended with this result.
    Result(Json),
    /// The session has ended without one.
    Error(Failure),
    /// Somebody has cancelled the session.
    Cancelled,
}

impl SessionEventKind {
    /// Whether the session is over with it.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Result(_) | Self::Error(_) | Self::Cancelled => true,
            Self::Progress { .. }
            | Self::Log { .. }
            | Self::ElicitRequest(_)
            | Self::SampleRequest(_)
            | Self::RootsRequest(_) => false,
        }
    }

    /// Whether it may go while nobody watches.
    pub(crate) const fn may_be_dropped(&self) -> bool {
        matches!(self, Self::Progress { .. } | Self::Log { .. })
    }
}

/// What a tool tells, as it is kept in a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    Progress {
        progress: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Log {
        level: LogLevel,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logger: Option<String>,
        data: Json,
    },
}

impl Told {
    /// None of what is not told but asked, or the end.
    pub(crate) fn of(kind: &SessionEventKind) -> Option<Self> {
        match kind.clone() {
            SessionEventKind::Progress { progress, total, message } => {
                Some(Self::Progress { progress, total, message })
            }
            SessionEventKind::Log { level, logger, data } => Some(Self::Log { level, logger, data }),
            SessionEventKind::ElicitRequest(_)
            | SessionEventKind::SampleRequest(_)
            | SessionEventKind::RootsRequest(_)
            | SessionEventKind::Result(_)
            | SessionEventKind::Error(_)
            | SessionEventKind::Cancelled => None,
        }
    }
}

impl From<Told> for SessionEventKind {
    fn from(told: Told) -> Self {
        match told {
            Told::Progress { progress, total, message } => Self::Progress { progress, total, message },
            Told::Log { level, logger, data } => Self::Log { level, logger, data },
        }
    }
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
