//! Bounds and durations.

use std::time::Duration;

/// The bounds of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsConfig {
    /// How long after its call a session ends if nothing else has ended it.
    pub ttl: Duration,
    /// How long the result of a session is kept for a client that asks again.
    pub keep_results: Duration,
    /// Sessions that may wait for answers, in all.
    pub max_sessions: usize,
    /// Sessions that may wait for answers, of one principal.
    pub max_sessions_per_principal: usize,
    /// Bytes that parked tools may hold, roughly. Above it the ones that were parked first are dropped, and replayed from their
    /// journals when an answer comes.
    pub max_parked_bytes: usize,
    /// Progress and log messages that are kept of a session whose events can be followed; what it tells beyond that is dropped.
    pub max_events: usize,
    /// How long what is at work may go on when the client has cut off the request.
    pub wind_down: Duration,
    /// How long a call may take before it becomes a task, for clients that know those.
    pub task_after: Duration,
    /// Whether what goes on by itself goes on here from the start: tasks, sleeps, the deletion of what has expired. If not, that
    /// begins with [`Sessions::take_charge`](crate::Sessions::take_charge).
    pub in_charge: bool,
    /// How often what has expired is looked for.
    pub upkeep_interval: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_hours(24),
            keep_results: Duration::from_hours(1),
            max_sessions: 1_000_000,
            max_sessions_per_principal: 10_000,
            max_parked_bytes: 256 << 20,
            max_events: 10_000,
            wind_down: Duration::from_secs(30),
            task_after: Duration::from_secs(5),
            in_charge: true,
            upkeep_interval: Duration::from_secs(10),
        }
    }
}
