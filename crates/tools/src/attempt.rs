//! What each request brings of its own: who asks, what the client can answer, where progress goes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::event::{LogLevel, SessionEvent};

/// One try to get on with a session: the request that began it, or one that brought answers.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Who asks. Only the one who began a session can go on with it.
    pub principal: Arc<str>,
    /// What the client declared to answer.
    pub capabilities: Capabilities,
    /// Where progress and log messages go. When it is full the tool waits; without it, they are kept for whoever asks later.
    pub events: Option<mpsc::Sender<SessionEvent>>,
    /// The least level of log messages that the client wants; None if it wants none.
    pub log_level: Option<LogLevel>,
    /// The trace that the request is part of, as its `traceparent` ([W3C](https://www.w3.org/TR/trace-context/)) has it. It is told
    /// with the round, and with the round after it.
    pub trace: Option<Arc<str>>,
}

impl Attempt {
    /// The attempt of somebody unknown whose client answers nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            principal: Arc::from("anonymous"),
            capabilities: Capabilities::default(),
            events: None,
            log_level: None,
            trace: None,
        }
    }

    /// With a client that answers those.
    #[must_use]
    pub const fn with(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }
}

/// Which questions a client answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// Forms for the user.
    pub elicit_form: bool,
    /// Addresses that the user opens.
    pub elicit_url: bool,
    /// Questions to the model.
    pub sample: bool,
    /// Questions to the model with tools that it may use.
    pub sample_tools: bool,
    /// Where the client works.
    pub roots: bool,
    /// The client knows tasks: a call may go on without its request.
    pub tasks: bool,
}

impl Capabilities {
    /// All questions.
    pub const ALL: Self = Self {
        elicit_form: true,
        elicit_url: true,
        sample: true,
        sample_tools: true,
        roots: true,
        tasks: false,
    };
}

/// What is kept of a client with a session, for when the session goes on by itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ClientTerms {
    #[serde(flatten)]
    capabilities: Capabilities,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_level: Option<LogLevel>,
}

impl ClientTerms {
    pub(crate) const fn of(attempt: &Attempt) -> Self {
        Self { capabilities: attempt.capabilities, log_level: attempt.log_level }
    }

    /// The attempt that the session makes by itself.
    pub(crate) fn attempt(self, principal: Arc<str>) -> Attempt {
        let Self { capabilities, log_level } = self;
        Attempt { principal, log_level, ..Attempt::anonymous().with(capabilities) }
    }
}
