//! What happens, as JSON.

use std::time::SystemTime;

use ostler_net::Address;
use ostler_pool::{Event, EventKind, EventName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::chain;
use super::history::EventId;
use super::view::rfc3339;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Resumes the stream behind this event, as `Last-Event-ID`. It begins with a mark of this process.
    pub id: String,
    /// When, in the notation of RFC 3339.
    pub at: Option<String>,
    /// Whose server.
    pub key: Option<String>,
    /// Which one of that key.
    pub generation: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub detail: EventDetail,
}

/// What happened, by `kind`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventDetail {
    /// The start of a server began.
    Started,
    /// It serves.
    Ready {
        /// Where.
        address: String,
    },
    /// It is gone, and all that it held.
    Stopped,
    /// It was told to go.
    Evicted {
        /// `idle`, `capacity`, `quota`, `max_age`, `max_uses`, `unhealthy`, `requested` or `drained`.
        cause: String,
    },
    /// It did not start, or ended without being asked to.
    Failed {
        /// What it said.
        error: String,
    },
    /// It failed its health checks.
    Unhealthy {
        /// What the last one said.
        error: String,
    },
    /// A call found no place for another server.
    LimitReached {
        /// The host pattern whose places are taken; absent when they are all of the pool's.
        quota: Option<String>,
    },
    /// Another process of the program was started, to take over.
    ReplacementStarted {
        /// It.
        pid: Option<u32>,
    },
    /// It did not serve in time, and has ended; this process goes on.
    ReplacementFailed {
        /// Why.
        error: String,
    },
    /// It serves, with the same listening sockets; this process drains.
    Replaced {
        /// It.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// Events are missing here: they are not kept any more.
    Lagged {
        /// How many; absent when the last id was of another process.
        missed: Option<u64>,
    },
}

impl EventView {
    pub(super) fn new(id: &EventId, event: &Event<Address>) -> Self {
        Self {
            id: id.to_string(),
            at: Some(rfc3339(event.at)),
            key: Some(event.key.to_string()),
            generation: event.generation.map(|generation| generation.number()),
            detail: EventDetail::new(&event.kind),
        }
    }

    /// What happened to Ostler itself, just now.
    pub(super) fn own(id: &EventId, detail: EventDetail) -> Self {
        let at = Some(rfc3339(SystemTime::now()));
        Self { id: id.to_string(), at, key: None, generation: None, detail }
    }

    /// What tells of the stream, and not of a server.
    pub(super) fn gap(id: String, detail: EventDetail) -> Self {
        Self { id, at: None, key: None, generation: None, detail }
    }
}

impl EventDetail {
    fn new(kind: &EventKind<Address>) -> Self {
        match kind {
            EventKind::Started => Self::Started,
            EventKind::Ready { address } => Self::Ready { address: address.to_string() },
            EventKind::Stopped => Self::Stopped,
            EventKind::Evicted { cause } => Self::Evicted { cause: cause.to_string() },
            EventKind::Failed { error } => Self::Failed { error: chain::line(error.as_ref()) },
            EventKind::Unhealthy { error } => Self::Unhealthy { error: chain::line(error.as_ref()) },
            EventKind::LimitReached { quota } => {
                Self::LimitReached { quota: quota.as_deref().map(str::to_owned) }
            }
        }
    }

    /// The kind as it is written in JSON, and as the type of a server-sent event. What the pool tells of is
    /// called by the pool's word for it.
    pub fn name(&self) -> &'static str {
        let name = match self {
            Self::Started => EventName::Started,
            Self::Ready { .. } => EventName::Ready,
            Self::Stopped => EventName::Stopped,
            Self::Evicted { .. } => EventName::Evicted,
            Self::Failed { .. } => EventName::Failed,
            Self::Unhealthy { .. } => EventName::Unhealthy,
            Self::LimitReached { .. } => EventName::LimitReached,
            Self::ReplacementStarted { .. } => return "replacement_started",
            Self::ReplacementFailed { .. } => return "replacement_failed",
            Self::Replaced { .. } => return "replaced",
            Self::Lagged { .. } => return "lagged",
        };
        name.as_str()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ostler_pool::EvictCause;

    use super::*;

    #[test]
    fn a_kind_is_one_word_to_the_pool_in_json_and_as_the_type_of_an_event() {
        let error = || Arc::new(std::fmt::Error) as ostler_pool::SharedError;
        let kinds = [
            EventKind::Started,
            EventKind::Ready { address: Address::Unix("/a".into()) },
            EventKind::Stopped,
            EventKind::Evicted { cause: EvictCause::Idle },
            EventKind::Failed { error: error() },
            EventKind::Unhealthy { error: error() },
            EventKind::LimitReached { quota: None },
        ];
        assert_eq!(kinds.each_ref().map(EventKind::name), EventName::ALL);
        let details: Vec<_> = kinds.iter().map(EventDetail::new).collect();
        for (kind, detail) in kinds.iter().zip(&details) {
            assert_eq!(detail.name(), kind.as_str());
        }
        let own = [
            EventDetail::ReplacementStarted { pid: None },
            EventDetail::ReplacementFailed { error: String::new() },
            EventDetail::Replaced { pid: 1, version: String::new() },
            EventDetail::Lagged { missed: None },
        ];
        for detail in details.iter().chain(&own) {
            assert_eq!(serde_json::to_value(detail).unwrap()["kind"], detail.name());
        }
    }
}
