//! The one subscriber to the pool: it writes the history, the log and the counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use futures::StreamExt;
use ostler_config::Admin;
use ostler_net::Address;
use ostler_pool::{Event, EventKind, EvictCause, Generation, SharedError};
use ostler_scope::{Lagged, Subscriber};

use super::chain;
use super::event::{EventDetail, EventView};
use super::failures::Failures;
use super::history::{EventId, History};
use super::rules::Rules;
use super::view::{FailureView, rfc3339};

/// Everything that is known from events.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) history: Arc<History>,
    pub(super) failures: Failures,
    pub(super) counts: Counts,
    rules: Rules,
}

/// How many events there were.
#[derive(Debug)]
pub(super) struct Counts {
    /// By kind, and evictions by cause. Every name is there from the start.
    kinds: Mutex<BTreeMap<&'static str, u64>>,
    causes: Mutex<BTreeMap<&'static str, u64>>,
}

/// The servers that have started and not stopped: what an event means depends on the one before.
type Live = HashMap<Generation, Stage>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting { since: SystemTime },
    Ready,
}

impl Watch {
    pub(super) fn new(bounds: &Admin, rules: Rules) -> Arc<Self> {
        let (history, failures) = (History::new(bounds.events_buffer), Failures::new(bounds.failures_buffer));
        let counts = Counts::new();
        Arc::new(Self { history, failures, counts, rules })
    }

    /// Runs until the pool has told the last of its events.
    pub(super) async fn run(self: Arc<Self>, mut events: Subscriber<Event<Address>>) {
        let mut live = Live::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(&event, &mut live),
                Err(Lagged(missed)) => {
                    // A `stopped` may be among them; forgetting all is better than keeping some for ever.
                    live.clear();
                    tracing::warn!(missed, "events were lost: the pool is faster than its observer");
                    let lagged = EventDetail::Lagged { missed: Some(missed) };
                    self.history.push(|id| EventView::gap(id.to_string(), lagged));
                }
            }
        }
        self.history.close();
    }

    /// Keeps what happened to Ostler itself among the rest.
    pub(super) fn tell(&self, detail: EventDetail) {
        self.history.push(|id| EventView::own(id, detail));
    }

    fn take(&self, event: &Event<Address>, live: &mut Live) {
        let stage = event.generation.and_then(|generation| live.get(&generation).copied());
        log(event, stage);
        self.counts.count(&event.kind);
        let id = self.history.push(|id| EventView::new(id, event));
        if let EventKind::Failed { error } = &event.kind {
            self.failures.push(self.failure(&id, event, error, stage));
        }
        let Some(generation) = event.generation else { return };
        match event.kind {
            EventKind::Started => {
                live.insert(generation, Stage::Starting { since: event.at });
            }
            EventKind::Ready { .. } => {
                live.insert(generation, Stage::Ready);
            }
            EventKind::Stopped => {
                live.remove(&generation);
            }
            EventKind::Evicted { .. }
            | EventKind::Failed { .. }
            | EventKind::Unhealthy { .. }
            | EventKind::LimitReached { .. } => {}
        }
    }

    fn failure(
        &self,
        id: &EventId,
        event: &Event<Address>,
        error: &SharedError,
        stage: Option<Stage>,
    ) -> FailureView {
        let mut links = chain::links(error.as_ref()).into_iter();
        let output = chain::tail(error.as_ref()).map(|tail| tail.0.iter().map(ToString::to_string).collect());
        FailureView {
            event: id.to_string(),
            at: rfc3339(event.at),
            key: event.key.to_string(),
            generation: event.generation.map(Generation::number),
            was_ready: stage == Some(Stage::Ready),
            error: links.next().unwrap_or_default(),
            causes: links.collect(),
            output: output.unwrap_or_default(),
            command: self.rules.of(event.key.as_str()).and_then(|rule| rule.command.clone()),
        }
    }
}

impl Counts {
    fn new() -> Self {
        let kinds = ["started", "ready", "stopped", "evicted", "failed", "unhealthy", "limit_reached"];
        let causes = [
            EvictCause::Idle,
            EvictCause::Capacity,
            EvictCause::Quota,
            EvictCause::MaxAge,
            EvictCause::MaxUses,
            EvictCause::Unhealthy,
            EvictCause::Requested,
            EvictCause::Drained,
        ];
        Self {
            kinds: Mutex::new(kinds.map(|kind| (kind, 0)).into()),
            causes: Mutex::new(causes.map(|cause| (cause.as_str(), 0)).into()),
        }
    }

    fn count(&self, kind: &EventKind<Address>) {
        let add = |counts: &Mutex<BTreeMap<&'static str, u64>>, name| {
            *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        };
        add(&self.kinds, kind.as_str());
        if let EventKind::Evicted { cause } = kind {
            add(&self.causes, cause.as_str());
        }
    }

    /// Events so far, by kind.
    pub(super) fn kinds(&self) -> BTreeMap<&'static str, u64> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Evictions so far, by cause.
    pub(super) fn causes(&self) -> BTreeMap<&'static str, u64> {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Says on the log what happened, and why.
fn log(event: &Event<Address>, stage: Option<Stage>) {
    let (key, generation) = (&event.key, event.generation.map(Generation::number));
    match &event.kind {
        EventKind::Started => tracing::info!(%key, generation, "server starting"),
        EventKind::Ready { address } => {
            let after = match stage {
                Some(Stage::Starting { since }) => event.at.duration_since(since).ok(),
                Some(Stage::Ready) | None => None,
            };
            let after = after.map(tracing::field::debug);
            tracing::info!(%key, generation, %address, after, "server ready");
        }
        EventKind::Evicted { cause } => tracing::info!(%key, generation, %cause, "server stopping"),
        EventKind::Failed { error } => {
            let error = chain::line(error.as_ref());
            match stage {
                Some(Stage::Ready) => tracing::warn!(%key, generation, %error, "server failed"),
                Some(Stage::Starting { .. }) | None => {
                    tracing::warn!(%key, generation, %error, "server did not start");
                }
            }
        }
        EventKind::Unhealthy { error } => {
            let error = chain::line(error.as_ref());
            tracing::warn!(%key, generation, %error, "server unhealthy");
        }
        EventKind::Stopped => tracing::info!(%key, generation, "server stopped"),
        EventKind::LimitReached { quota } => {
            let quota = quota.as_deref().unwrap_or("pool.max_servers");
            tracing::warn!(%key, quota, "no place for another server");
        }
    }
}
