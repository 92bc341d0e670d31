//! What has to be looked at when.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::input::WaiterId;
use crate::Key;

/// Who wants to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Waiter(WaiterId),
    Server(Key),
}

/// At most one alarm for each waiter and server. Whoever sets one remembers for when, to take it back.
#[derive(Debug, Default)]
pub(super) struct Timers {
    alarms: BTreeSet<(Instant, Alarm)>,
}

impl Timers {
    pub(super) fn next(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// The owner of what is returned has to forget that it was set.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Alarm> {
        if self.next()? > now {
            return None;
        }
        self.alarms.pop_first().map(|(_, alarm)| alarm)
    }

    /// Moves an alarm from the time in `armed` to `at`.
    pub(super) fn set(&mut self, armed: &mut Option<Instant>, at: Option<Instant>, alarm: &Alarm) {
        if *armed == at {
            return;
        }
        if let Some(old) = armed.take() {
            self.alarms.remove(&(old, alarm.clone()));
        }
        if let Some(at) = at {
            self.alarms.insert((at, alarm.clone()));
        }
        *armed = at;
    }
}

/// `span` after `now`; a span that no clock can hold is as good as a century.
pub(super) fn after(now: Instant, span: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    now.checked_add(span).unwrap_or_else(|| now + CENTURY)
}
