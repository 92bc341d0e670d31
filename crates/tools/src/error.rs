//! What goes wrong in a tool, and around one.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ostler_journal::{AppendRefused, Divergence, InvalidName, ResumeError, SessionId, StorageError};
use serde::{Deserialize, Serialize};

/// What a tool gives back.
pub type ToolResult<T> = Result<T, ToolError>;

/// Why a tool has no result. Any error becomes one by `?`; its text and the texts of its sources are what the model reads.
#[derive(Clone)]
pub struct ToolError {
    message: Arc<str>,
    cause: Option<ContextError>,
}

impl ToolError {
    /// An error that says `message`.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into(), cause: None }
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error of the tool's context that it comes from, if it does.
    #[must_use]
    pub const fn cause(&self) -> Option<&ContextError> {
        self.cause.as_ref()
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolError({:?})", self.message)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ToolError {
    fn from(error: E) -> Self {
        let cause = (&error as &dyn std::any::Any).downcast_ref::<ContextError>().cloned();
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = error.source();
        }
        Self { message: message.into(), cause }
    }
}

/// What a tool's context cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The client cannot be asked that: it did not declare to answer such questions.
    #[error("the client does not answer {what}")]
    Unsupported {
        /// What it would have to declare.
        what: &'static str,
    },
    /// The tool asks what it has not declared to ask, or with another type than it declared.
    #[error("the tool asks `{key}`, which it does not declare with that type: see `Tool::elicits`")]
    Undeclared {
        /// The question's key.
        key: Arc<str>,
    },
    /// A name that no operation can have.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Whether the step has happened nobody knows: the process ended while it ran, and it must not run twice.
    #[error("whether `{name}` has happened is not known")]
    OutcomeUnknown {
        /// The step's name.
        name: Arc<str>,
    },
    /// The step failed.
    #[error("{message}")]
    StepFailed {
        /// The step's name.
        name: Arc<str>,
        /// What its error said.
        message: String,
    },
    /// The answers were not what had been asked for, as often as the tool allows that.
    #[error("no valid answer to `{key}` in {tries} tries: {reason}")]
    NoValidAnswer {
        /// The question's key.
        key: Arc<str>,
        /// How many there were.
        tries: u32,
        /// What was wrong with the last one.
        reason: String,
    },
    /// The client would not answer.
    #[error("`{key}` was refused: {reason}")]
    Refused {
        /// The question's key.
        key: Arc<str>,
        /// What it said.
        reason: String,
    },
    /// The user did not want to answer.
    #[error("`{key}` was {how}")]
    NotAnswered {
        /// The question's key.
        key: Arc<str>,
        /// `declined` or `cancelled`.
        how: &'static str,
    },
    /// A value has no form in JSON, or what the journal has of it is of another type now.
    #[error("`{name}` is no such value: {reason}")]
    Value {
        /// The operation's name.
        name: Arc<str>,
        /// What `serde_json` said.
        reason: String,
    },
    /// There is no store, and it cannot do without: see [`Sessions::start_sealed`](crate::Sessions::start_sealed).
    #[error("{what} needs a store, and there is none")]
    NeedsStore {
        /// What was used.
        what: &'static str,
    },
    /// A branch is spent: too deep, too many tokens, too late.
    #[error("the limit of branch `{branch}` is reached: {limit}")]
    BranchLimit {
        /// Its path.
        branch: Arc<str>,
        /// Which.
        limit: &'static str,
    },
}

/// Why a session has no result of its tool's.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// The tool said so.
    #[error("{message}")]
    Tool {
        /// What it said.
        message: String,
    },
    /// The tool has to ask what the client does not answer.
    #[error("the client does not answer {what}")]
    Unsupported {
        /// What it would have to declare.
        what: String,
    },
    /// The tool panicked.
    #[error("the tool panicked: {message}")]
    Panicked {
        /// With what.
        message: String,
    },
    /// The code does not do any more what it did before.
    #[error("the tool cannot go on where it was: {message}")]
    Diverged {
        /// Where.
        message: String,
    },
    /// The version of the tool that began the session is not there any more.
    #[error("the session was begun by version {version} of {tool}, which is gone")]
    VersionGone {
        /// The tool.
        tool: String,
        /// Its version then.
        version: u32,
    },
    /// Its time was over.
    #[error("the session has expired")]
    Expired,
    /// The tool had not ended by its time limit.
    #[error("the tool did not end within its time limit")]
    TimeLimit,
    /// Somebody cancelled it.
    #[error("the session was cancelled")]
    Cancelled,
    /// The journal could not be written: nothing that depends on it has been shown.
    #[error("the journal cannot be written: {message}")]
    Storage {
        /// Why.
        message: String,
    },
    /// The session goes on elsewhere.
    #[error("the session goes on elsewhere")]
    Superseded,
    /// The tool has used what needs a store, and there is none.
    #[error("{what} needs a store, and there is none")]
    NeedsStore {
        /// What it has used.
        what: String,
    },
}

impl Failure {
    /// Whether the session is over with it. The others leave the journal as it is: other code, another version or a store that
    /// works may go on with it.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Tool { .. }
            | Self::Unsupported { .. }
            | Self::Panicked { .. }
            | Self::Expired
            | Self::TimeLimit
            | Self::NeedsStore { .. }
            | Self::Cancelled => true,
            Self::Diverged { .. } | Self::VersionGone { .. } | Self::Storage { .. } | Self::Superseded => {
                false
            }
        }
    }
}

impl From<&ToolError> for Failure {
    fn from(error: &ToolError) -> Self {
        match error.cause() {
            Some(ContextError::Unsupported { what }) => Self::Unsupported { what: (*what).to_owned() },
            Some(ContextError::NeedsStore { what }) => Self::NeedsStore { what: (*what).to_owned() },
            Some(_) | None => Self::Tool { message: error.message().to_owned() },
        }
    }
}

impl From<Divergence> for Failure {
    fn from(divergence: Divergence) -> Self {
        Self::Diverged { message: divergence.to_string() }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage { message: error.to_string() }
    }
}

impl From<AppendRefused> for Failure {
    fn from(refused: AppendRefused) -> Self {
        match refused {
            AppendRefused::Fenced(_) | AppendRefused::Superseded { .. } => Self::Superseded,
        }
    }
}

/// Why a call or an answer was not taken. Nothing has changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// There is nothing of that name.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// A tool, prompt or resource.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The arguments are not what the tool takes.
    #[error("{reason}")]
    InvalidArguments {
        /// What is wrong, and where.
        reason: String,
    },
    /// There is no such session, not any more, or it is somebody else's: the three look the same.
    #[error("there is no session {0} that waits for an answer")]
    UnknownSession(SessionId),
    /// The answers to that round have been taken, and they were others.
    #[error("round {round} has been answered already, with other answers")]
    Settled {
        /// The round.
        round: u32,
    },
    /// The round was answered long ago, and others after it.
    #[error("round {round} is over: the session is in round {current}")]
    RoundOver {
        /// The round.
        round: u32,
        /// Where the session is.
        current: u32,
    },
    /// It is not the call that the session was begun by.
    #[error("the session was begun by another call")]
    OtherCall,
    /// The tool takes so long that it has to be a task, and the client does not know tasks.
    #[error("the tool is a task, and the client does not know tasks")]
    NeedsTasks,
    /// There is no store, and it cannot do without.
    #[error("`{name}` cannot be called here: {what} needs a store, and there is none")]
    NeedsStore {
        /// What was called.
        name: String,
        /// What needs a store.
        what: &'static str,
    },
    /// There are too many sessions that wait.
    #[error("too many sessions wait for answers: {limit} at most{}", if *.all { "" } else { " for one client" })]
    TooMany {
        /// As many may.
        limit: usize,
        /// In all, or of one principal.
        all: bool,
    },
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Storage(#[from] StorageError),
    /// What the journal has cannot be resumed.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The host is ending.
    #[error("no more calls are taken")]
    Closed,
}

/// Why the answer to one question was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RespondError {
    /// The session has not asked that.
    #[error("nobody has asked `{key}`")]
    Unknown {
        /// The question's key.
        key: String,
    },
    /// It was answered before, or the session has ended.
    #[error("`{key}` is settled")]
    Settled {
        /// The question's key.
        key: String,
    },
    /// The session's time is over. Soon there will be none.
    #[error("the session has expired")]
    Expired,
    /// The session itself.
    #[error(transparent)]
    Session(#[from] CallError),
}
