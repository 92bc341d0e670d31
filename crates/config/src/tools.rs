//! `[tools]`: the bounds of tools that wait for answers.

use std::time::Duration;

use crate::section::section;

section! {
    /// The bounds of tools that wait for answers. Such a call is a session, from its first request to its result.
    pub struct Tools {
        /// How long after its call a session ends if nothing else has ended it.
        ttl: Duration = "1d", from "1s" to "365d" because "nobody could answer in time";

        /// How long the result of a session is kept for a client that asks again.
        keep_results: Duration = "1h", from "0s" to "365d";

        /// How many sessions may wait for answers at once.
        max_sessions: usize = 1_000_000, from 1 to 100_000_000;

        /// How many of them may be of one principal.
        max_sessions_per_principal: usize = 10_000, from 1 to 100_000_000;

        /// How many bytes parked tools may hold, roughly. Above it those that were parked first are dropped, and replayed from their
        /// journals when an answer comes.
        max_parked_bytes: usize = 268_435_456, from 0 to 1_000_000_000_000;

        /// How long what is at work may go on when the client has cut off its request.
        wind_down: Duration = "30s", from "0s" to "1h";

        /// How many progress and log messages are kept of a call whose client may come back for them; what it tells beyond that is
        /// dropped.
        max_events: usize = 10_000, from 0 to 1_000_000;

        /// How long a call may take before it becomes a task, for clients that know those.
        task_after: Duration = "5s", from "0s" to "1h";

        /// How often what has expired is looked for.
        upkeep_interval: Duration = "10s", from "100ms" to "1h";
    }
}
