//! What a tool tells while it works.

use ostler_journal::Json;
use serde::Serialize;

use super::ToolContext;
use crate::event::{LogLevel, SessionEventKind};

/// How far a tool is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    progress: f64,
    total: Option<f64>,
    message: Option<String>,
}

impl Progress {
    /// At `progress`, which has to grow from one to the next.
    #[must_use]
    pub const fn at(progress: f64) -> Self {
        Self { progress, total: None, message: None }
    }

    /// The end is at `total`.
    #[must_use]
    pub const fn of(mut self, total: f64) -> Self {
        self.total = Some(total);
        self
    }

    /// What the tool is doing.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

impl ToolContext {
    /// Tells how far the tool is. It waits for a watcher that is slow; without one, the oldest of what was told is dropped. In a
    /// replay nothing is told twice.
    ///
    /// Of a call that goes on without its request ([`Sessions::launch`](crate::Sessions::launch)) this waits until it is in the
    /// journal, and each is told once, over deaths of the process too: the code that told it tells the same when it runs again. What
    /// is different then, as a time that is not the context's, is something else, and told.
    pub async fn progress(&self, progress: Progress) {
        let Progress { progress, total, message } = progress;
        self.core.tell(SessionEventKind::Progress { progress, total, message }).await;
    }

    /// Tells something of `level`. What has no form in JSON is told as the error that says so.
    pub async fn log(&self, level: LogLevel, data: impl Serialize) {
        let wanted = self.core.cell().attempt.log_level.is_some_and(|least| level >= least);
        if wanted {
            let data = Json::of(&data).or_else(|error| Json::of(&error.to_string())).expect("a text is JSON");
            let logger = Some(self.core.callable.name.to_string());
            self.core.tell(SessionEventKind::Log { level, logger, data }).await;
        }
    }
}
