//! Code that is journaled: it does not run again where its outcome is known.

use std::fmt;
use std::sync::Arc;

use ostler_journal::{Digest, Json, OpKind, OpNumber, Outcome, Standing};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ToolContext;
use crate::ToolResult;
use crate::core::{AtWork, Operation};
use crate::error::ContextError;

/// What a step can be told from all others by, in this session and any: the same each time the step is tried. Services that
/// take an idempotency key should be given this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepKey(Digest);

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The code of a step: a closure that takes nothing, or the step's [`StepKey`], and gives a future.
pub trait StepRun<Form> {
    /// What the closure gives.
    type Future: Future;

    /// Calls it.
    fn run(self, key: StepKey) -> Self::Future;
}

impl<F: FnOnce() -> T, T: Future> StepRun<()> for F {
    type Future = T;

    fn run(self, _: StepKey) -> T {
        self()
    }
}

impl<F: FnOnce(StepKey) -> T, T: Future> StepRun<(StepKey,)> for F {
    type Future = T;

    fn run(self, key: StepKey) -> T {
        self(key)
    }
}

impl ToolContext {
    /// Runs `code`, whose outcome is kept in the journal: once it is there, the code does not run again, whatever becomes of
    /// the process. Until then it may run several times, so what it does elsewhere should bear that (see [`StepKey`]). An
    /// error of the code is an outcome too, and is not tried again.
    ///
    /// The code starts when everything the tool was given so far is durable. Dropped meanwhile, as in a race, it ends there.
    ///
    /// # Errors
    /// The code's own ([`ContextError::StepFailed`]); [`ContextError::Name`]; [`ContextError::Value`] for a value that has
    /// no form in JSON, or that another type wrote.
    pub async fn step<Form, R, T, E>(&self, name: impl Into<Arc<str>>, code: R) -> ToolResult<T>
    where
        R: StepRun<Form, Future: Future<Output = Result<T, E>>>,
        T: Serialize + DeserializeOwned,
        E: fmt::Display,
    {
        let name = name.into();
        let op = Operation::new(&self.core, self.path(), OpKind::Step, &name)?;
        match op.standing().await {
            Standing::Settled => {}
            // Begun is never noted of a step that may run again; held was waited for.
            Standing::Fresh | Standing::Begun { .. } | Standing::Held => {
                let _at_work = AtWork::begin(&self.core);
                let place = self.core.journal(|journal| journal.significant());
                self.core.durable(place).await;
                self.core.effects.note(&name);
                let outcome =
                    outcome_of(self.core.within(op.number, code.run(self.step_key(op.number))).await);
                op.complete(outcome);
            }
        }
        read(&name, op.outcome().await)
    }

    /// Runs `code` at most once. That it begins is durable before it does; if the process ends before its outcome is durable,
    /// nobody knows what came of it, and the tool is told so.
    ///
    /// It needs a store: a client that carries the session could come back twice with the same of it.
    ///
    /// # Errors
    /// [`ContextError::OutcomeUnknown`], [`ContextError::NeedsStore`], and those of [`step`](Self::step).
    pub async fn step_once<Form, R, T, E>(&self, name: impl Into<Arc<str>>, code: R) -> ToolResult<T>
    where
        R: StepRun<Form, Future: Future<Output = Result<T, E>>>,
        T: Serialize + DeserializeOwned,
        E: fmt::Display,
    {
        self.core.needs_store("`step_once`")?;
        let name = name.into();
        let op = Operation::new(&self.core, self.path(), OpKind::StepOnce, &name)?;
        match op.standing().await {
            Standing::Settled => {}
            Standing::Begun { .. } => op.complete(Outcome::Unknown),
            Standing::Fresh | Standing::Held => {
                let _at_work = AtWork::begin(&self.core);
                let place = self.core.journal(|journal| {
                    journal.begin_op(op.number, None);
                    journal.next()
                });
                self.core.durable(place).await;
                self.core.effects.note(&name);
                let outcome =
                    outcome_of(self.core.within(op.number, code.run(self.step_key(op.number))).await);
                op.complete(outcome);
            }
        }
        read(&name, op.outcome().await)
    }

    fn step_key(&self, number: OpNumber) -> StepKey {
        self.core.journal(|journal| {
            let (session, op) = (journal.session(), journal.op(number));
            let nth = op.nth.to_le_bytes();
            let parts = [session.as_bytes().as_slice(), op.path.as_bytes(), op.name.as_bytes(), &nth];
            StepKey(Digest::of(parts))
        })
    }
}

fn outcome_of<T: Serialize, E: fmt::Display>(result: Result<T, E>) -> Outcome {
    match result.map(|value| Json::of(&value)) {
        Ok(Ok(value)) => Outcome::Value(value),
        Ok(Err(error)) => Outcome::Failed(format!("its value has no form in JSON: {error}")),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn read<T: DeserializeOwned>(name: &Arc<str>, outcome: Outcome) -> ToolResult<T> {
    let name = || Arc::clone(name);
    match outcome {
        Outcome::Value(value) => Ok(value
            .read()
            .map_err(|error| ContextError::Value { name: name(), reason: error.to_string() })?),
        Outcome::Failed(message) => Err(ContextError::StepFailed { name: name(), message }.into()),
        // None of a client's.
        Outcome::Refused(message) => Err(ContextError::StepFailed { name: name(), message }.into()),
        Outcome::Unknown => Err(ContextError::OutcomeUnknown { name: name() }.into()),
    }
}
