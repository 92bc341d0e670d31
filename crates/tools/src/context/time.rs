//! Time and chance, which a replay must find as they were.

use std::sync::Arc;
use std::time::Duration;

use ostler_journal::{Digest, Json, OpKind, Standing, Timestamp};
use uuid::Uuid;

use super::ToolContext;
use crate::ToolResult;
use crate::core::Operation;
use crate::error::ContextError;

impl ToolContext {
    /// Waits for `duration`, through restarts too: when it ends is in the journal. A session that only sleeps takes no request;
    /// one that also asks is parked, and goes on by itself when the time has come.
    ///
    /// # Errors
    /// [`ContextError::Name`]; [`ContextError::NeedsStore`], since nobody else would know when to wake the session.
    pub async fn sleep(&self, name: impl Into<Arc<str>>, duration: Duration) -> ToolResult<()> {
        self.core.needs_store("`sleep`")?;
        let op = Operation::new(&self.core, self.path(), OpKind::Sleep, &name.into())?;
        match op.standing().await {
            Standing::Settled | Standing::Begun { .. } => {}
            Standing::Fresh | Standing::Held => {
                let until = self.core.clock.now().after(duration);
                self.core.journal(|journal| journal.begin_op(op.number, Some(until)));
            }
        }
        op.outcome().await;
        Ok(())
    }

    /// What time it is: in a replay, what time it was.
    ///
    /// # Panics
    /// Never: the name it is journaled under is a valid one.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let take = |_: &_| Json::of(&self.core.clock.now()).expect("a number is JSON");
        let now = self.core.journal(|journal| journal.record(self.path(), Arc::from("now"), take));
        now.ok().and_then(|now| now.read().ok()).unwrap_or_else(|| self.core.clock.now())
    }

    /// When the session expires, whatever it does.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.core.journal(|_| ());
        self.core.cell().beginning.expires
    }

    /// Something that is not the same twice, such as the reading of a sensor that takes no time: in a replay, what it was.
    /// What takes time or can fail is a [`step`](Self::step).
    ///
    /// # Errors
    /// [`ContextError::Name`]; [`ContextError::Value`] for what has no form in JSON.
    pub fn record<T>(&self, name: impl Into<Arc<str>>, take: impl FnOnce() -> T) -> ToolResult<T>
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        let name = name.into();
        let value = |error: serde_json::Error| ContextError::Value {
            name: Arc::clone(&name),
            reason: error.to_string(),
        };
        let mut failed = None;
        let recorded = self.core.journal(|journal| {
            journal.record(self.path(), Arc::clone(&name), |_| {
                Json::of(&take()).unwrap_or_else(|error| {
                    failed = Some(value(error));
                    Json::of(&()).expect("null is JSON")
                })
            })
        });
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(recorded.map_err(ContextError::from)?.read().map_err(value)?),
        }
    }

    /// A number between 0 and 1, 1 excluded. It follows from the session, so it is the same in a replay. Nobody outside can
    /// foretell it, but it is not for keys.
    #[must_use]
    pub fn random(&self) -> f64 {
        fastrand::Rng::with_seed(self.derived("random").0).f64()
    }

    /// A UUID of version 4. It follows from the session, so it is the same in a replay.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let (high, low) = self.derived("uuid");
        uuid::Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid()
    }

    fn derived(&self, what: &'static str) -> (u64, u64) {
        let nth = self.core.journal(|journal| journal.derive(self.path(), Arc::from(what)));
        let nth = nth.map_or(0, |op| op.nth);
        let seed = self.core.cell().beginning.seed;
        let parts: [&[u8]; 4] =
            [&seed.to_le_bytes(), self.path().as_bytes(), what.as_bytes(), &nth.to_le_bytes()];
        Uuid::from_bytes(*Digest::of(parts).as_bytes()).as_u64_pair()
    }
}
