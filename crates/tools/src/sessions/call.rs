//! A call: the first request of a session, and often the only one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostler_journal::{Json, Origin, SessionId, Timestamp};
use serde::Serialize;
use tracing::Instrument;

use super::busy::FirstRound;
use super::{InputRequired, Reply, Resume, Sessions, round};
use crate::callable::{Callable, CallableKind};
use crate::core::{Beginning, Core};
use crate::drive::{Running, Turn};
use crate::error::CallError;
use crate::{Attempt, TaskPolicy, ToolContext};

/// What is called, and with what.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) kind: CallableKind,
    pub(super) name: String,
    pub(super) arguments: Json,
    pub(super) early: HashMap<String, Json>,
    pub(super) origin: Option<Origin>,
}

impl Call {
    /// The tool `name`. Arguments that have no form in JSON are taken for none.
    #[must_use]
    pub fn tool(name: impl Into<String>, arguments: &impl Serialize) -> Self {
        let arguments = Json::of(arguments).unwrap_or_else(|_| no_arguments());
        Self::new(CallableKind::Tool, name, arguments)
    }

    /// What has that name among those of its kind; of a resource, its address.
    #[must_use]
    pub fn new(kind: CallableKind, name: impl Into<String>, arguments: Json) -> Self {
        Self { kind, name: name.into(), arguments, early: HashMap::new(), origin: None }
    }

    /// By a client and in a request that are to be found again: see [`Sessions::launch`].
    #[must_use]
    pub fn of(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Answers to questions that have not been asked yet.
    #[must_use]
    pub fn answers(mut self, answers: HashMap<String, Json>) -> Self {
        self.early = answers;
        self
    }
}

/// The arguments of a call that names none.
#[must_use]
pub fn no_arguments() -> Json {
    Json::from(&serde_json::json!({}))
}

impl Sessions {
    /// Calls. Without a question there is no session, and without a step nothing is written.
    ///
    /// Dropped, the call and all it has begun ends: nobody has a handle to come back to it.
    ///
    /// # Errors
    /// See [`CallError`]: the call was not begun, or could not be kept waiting.
    pub async fn call(&self, call: Call, attempt: Attempt) -> Result<Reply, CallError> {
        let (callable, call) = self.find(call)?;
        let span = round::span(&callable.name, &attempt);
        match self.inner.resume {
            Resume::Journal => self.first_round(callable, call, attempt).instrument(span).await,
            Resume::Sealed => self.first_sealed_round(callable, call, attempt).instrument(span).await,
        }
    }

    async fn first_round(
        &self,
        callable: Arc<Callable>,
        call: Call,
        attempt: Attempt,
    ) -> Result<Reply, CallError> {
        let policy = callable.tasks;
        if policy.is_required() && !attempt.capabilities.tasks {
            return Err(CallError::NeedsTasks);
        }
        let mut first = FirstRound::new(self, self.begin(callable, call, attempt)?);
        match self.turn(first.running(), policy).await {
            Turn::Finished(result) => {
                self.note_finished(&first.running().core, &result);
                Ok(result.map_or_else(Reply::Failed, Reply::Done))
            }
            Turn::Detached => {
                let running = self.keep(first)?;
                let session = running.core.journal(|journal| journal.session());
                self.go_on_alone(session, running);
                Ok(Reply::Task(session))
            }
            // It winds down only when the first round is dropped.
            Turn::Parked | Turn::WoundDown => {
                let running = self.keep(first)?;
                let input = input_of(&running);
                self.note_parked(&running.core);
                self.park(input.session, running);
                Ok(Reply::Input(input))
            }
        }
    }

    /// Goes on until the tool has ended or asks, or the call becomes a task.
    pub(super) async fn turn(&self, running: &mut Running, policy: TaskPolicy) -> Turn {
        let (detached, answered) = running
            .core
            .begun(|journal| (journal.is_detached(), journal.round().answered.is_some()))
            .unwrap_or_default();
        let knows_tasks = running.core.cell().attempt.capabilities.tasks;
        if !knows_tasks || detached {
            return running.advance().await;
        }
        match policy {
            TaskPolicy::Never => return running.advance().await,
            TaskPolicy::RequiredOnceAnswered if !answered => return running.advance().await,
            TaskPolicy::Always | TaskPolicy::Required | TaskPolicy::RequiredOnceAnswered => {}
            TaskPolicy::WhenLong => {
                if let Ok(turn) = tokio::time::timeout(self.inner.config.task_after, running.advance()).await
                {
                    return turn;
                }
            }
        }
        running.detach();
        running.advance().await
    }

    /// What is called, and the call with all its arguments.
    pub(super) fn find(&self, call: Call) -> Result<(Arc<Callable>, Call), CallError> {
        match self.tools().find(call.kind, &call.name) {
            Some((callable, None)) => Ok((callable, call)),
            Some((callable, Some(arguments))) => Ok((callable, Call { arguments, ..call })),
            None => Err(CallError::Unknown { what: call.kind.as_str(), name: call.name }),
        }
    }

    pub(super) fn begin(
        &self,
        callable: Arc<Callable>,
        call: Call,
        attempt: Attempt,
    ) -> Result<Running, CallError> {
        let inner = &self.inner;
        inner.counters.calls.fetch_add(1, Ordering::Relaxed);
        let beginning = Beginning {
            session: None,
            seed: 0,
            started: Timestamp::from_millis(0),
            ttl: inner.config.ttl,
            expires: Timestamp::from_millis(i64::MAX),
            origin: call.origin,
            max_events: inner.config.max_events,
            resume: inner.resume,
        };
        let core = Core::new(
            Arc::clone(&callable),
            call.arguments,
            inner.clock,
            inner.effects.clone(),
            beginning,
            attempt,
        );
        core.cell().early = call.early;
        self.start_code(Arc::new(core))
    }

    pub(super) fn start_code(&self, core: Arc<Core>) -> Result<Running, CallError> {
        let started = (core.callable.start)(ToolContext::new(Arc::clone(&core)), &core.arguments)
            .map_err(|reason| CallError::InvalidArguments { reason })?;
        let mut running = Running::new(core, started, self.destination(), self.inner.config.keep_results);
        running.begin_turn();
        Ok(running)
    }

    /// Keeps a session that somebody else will know of, if there is room for it.
    pub(super) fn keep(&self, first: FirstRound<'_>) -> Result<Box<Running>, CallError> {
        let config = &self.inner.config;
        let principal = first.principal();
        let counted =
            self.inner.census.enter(&principal, config.max_sessions, config.max_sessions_per_principal);
        if let Err(all) = counted {
            let limit = if all { config.max_sessions } else { config.max_sessions_per_principal };
            return Err(CallError::TooMany { limit, all });
        }
        Ok(first.keep())
    }

    pub(super) fn park(&self, session: SessionId, running: Box<Running>) {
        running.core.cell().shrink();
        running.core.park();
        self.inner.shelf.park(session, running);
        let evicted = self.inner.shelf.evict_down_to(self.inner.config.max_parked_bytes);
        let counters = &self.inner.counters;
        counters.evicted.fetch_add(evicted.len() as u64, Ordering::Relaxed);
        let woken = evicted.iter().filter(|running| running.core.unpark()).count();
        counters.foreign_wakes.fetch_add(woken as u64, Ordering::Relaxed);
    }
}

/// The questions that `running` waits for.
pub(super) fn input_of(running: &Running) -> InputRequired {
    running.core.journal(|journal| InputRequired {
        session: journal.session(),
        round: journal.round().last,
        questions: journal.questions().map(|(_, question)| question).collect(),
        journal: None,
    })
}
