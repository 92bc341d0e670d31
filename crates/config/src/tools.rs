//! `[tools]`: the bounds of tools that wait for answers.

use std::path::PathBuf;
use std::time::Duration;

use crate::section::section;
use crate::setting::choice;

section! {
    /// The bounds of tools that wait for answers. Such a call is a session, from its first request to its result.
    pub struct Tools {
        /// What a session is gone on with from when its answer comes.
        resume: Resume = "journal";

        /// The file of keys that sessions and states are sealed with, which is only read. Servers that have the same keys go on with what
        /// any of them has sealed. Default: a file in the data directory, which Ostler makes and whose keys it rotates.
        keys: Option<PathBuf>;

        /// How many characters a `requestState` has at most that is a whole session; a call whose session is longer ends with an error.
        max_state: usize = 65_536, from 1024 to 16_777_216;

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

choice! {
    /// What a session is gone on with from.
    pub enum Resume {
        /// The parked tool, or its journal in the store.
        Journal = "journal",
        /// The `requestState` that its client carries. Nothing is stored: there is no `step_once`, no sleep and no task, and clients
        /// speak the revision of the protocol without sessions. A state that comes twice is gone on with twice.
        Sealed = "sealed",
    }
}
