//! What is told of each round: a span around it, a line in the log at its end, the figures.

use std::sync::atomic::Ordering;

use ostler_journal::Json;
use tracing::Span;
use tracing::field::{Empty, display};

use super::Sessions;
use crate::Attempt;
use crate::core::Core;
use crate::error::Failure;

/// Where what a round was resumed from is noted.
const RESUMED: &str = "resumed";

/// The span around what one request, or one wake, does for a session. The rounds of a session have the session in common, and
/// each names the trace of the one before it.
pub(super) fn span(tool: &str, attempt: &Attempt) -> Span {
    let trace = attempt.trace.as_deref();
    tracing::info_span!(
        "round",
        tool,
        trace,
        session = Empty,
        round = Empty,
        resumed = Empty,
        follows = Empty
    )
}

/// Notes in the current span that it goes on with `core`, which is still the attempt's before, from what was `left` of it.
pub(super) fn follow(core: &Core, left: &'static str) {
    let span = Span::current();
    span.record(RESUMED, left);
    if let Some(trace) = core.cell().attempt.trace.as_deref() {
        span.record("follows", trace);
    }
}

impl Sessions {
    /// A session has come to wait for its client, or for a while.
    pub(super) fn note_parked(&self, core: &Core) {
        let (session, round, keys) = core.journal(|journal| {
            let keys: Vec<_> = journal.questions().map(|(_, question)| question.key).collect();
            (journal.session(), journal.round().last, keys)
        });
        let span = Span::current();
        span.record("session", display(session)).record("round", round);
        let tool = &core.callable.name;
        if keys.is_empty() {
            tracing::debug!(%session, %tool, "a session sleeps");
            return;
        }
        self.inner.counters.rounds.fetch_add(1, Ordering::Relaxed);
        self.note_untold(core);
        self.tell_asked(core);
        tracing::info!(%session, %tool, round, asks = ?keys, "a session waits for answers");
    }

    /// A session has ended, or will not go on here.
    pub(super) fn note_finished(&self, core: &Core, result: &Result<Json, Failure>) {
        let known = core.begun(|journal| (journal.session(), journal.round().last));
        let tool = &core.callable.name;
        self.note_untold(core);
        if let Err(failure) = result {
            self.note_failure(failure);
        }
        if let Some((session, _)) = known
            && result.as_ref().map_or_else(Failure::is_end, |_| true)
        {
            self.tell_ended(session, result);
        }
        match (known, result) {
            (Some((session, rounds)), Ok(_)) if rounds > 0 => {
                Span::current().record("session", display(session));
                tracing::info!(%session, %tool, rounds, "a session has completed");
            }
            (_, Ok(_)) => tracing::debug!(%tool, "a call has completed"),
            (Some((session, rounds)), Err(failure)) => {
                Span::current().record("session", display(session));
                tracing::info!(%session, %tool, rounds, %failure, "a session has failed");
            }
            (None, Err(failure)) => tracing::debug!(%tool, %failure, "a call has failed"),
        }
    }

    fn note_untold(&self, core: &Core) {
        let untold = core.take_untold();
        if untold > 0 {
            self.inner.counters.untold.fetch_add(untold, Ordering::Relaxed);
            tracing::warn!(tool = %core.callable.name, untold, "a tool tells more than is kept of a call");
        }
    }

    pub(super) fn note_failure(&self, failure: &Failure) {
        let counter = match failure {
            Failure::Diverged { .. } => &self.inner.counters.diverged,
            Failure::Expired => &self.inner.counters.expired,
            Failure::Tool { .. }
            | Failure::Unsupported { .. }
            | Failure::Panicked { .. }
            | Failure::VersionGone { .. }
            | Failure::TimeLimit
            | Failure::Cancelled
            | Failure::Storage { .. }
            | Failure::NeedsStore { .. }
            | Failure::Superseded => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
