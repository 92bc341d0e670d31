//! `[pool]`: how many servers there are, and how each is started, watched and stopped.

use std::time::Duration;

use crate::section::section;
use crate::setting::Limit;

section! {
    /// How many servers there are, and how each is started, watched and stopped. The keys from `idle_timeout` on can be set for one
    /// server in its own section too.
    pub struct Pool {
        /// How many servers are started at once in all: those that start, are ready, or stop.
        max_servers: usize = 100, from 1 to 100_000 because "with no place at all no server can start";

        /// The first of the ports that servers are given.
        base_port: u16 = 9_000, from 1_024 to 65_535 because "ports below 1024 need privileges that servers should not have";

        /// How long the port of a stopped server is left alone.
        port_reuse_pause: Duration = "5s", from "0s" to "1h";

        /// How many requests wait for a server at once; the next one is answered 503.
        max_waiting: usize = 1_024, from 1 to 1_000_000 because "the first request of a server has to wait for its start";

        /// How many servers start at the same time; the others wait for their turn.
        max_parallel_starts: usize = 16, from 1 to 10_000 because "with none at a time no server can start";

        /// How many of the last lines of its output are kept of each server.
        output_lines: usize = 200, from 1 to 100_000;

        /// How many bytes of these lines are kept.
        output_bytes: usize = 65_536, from 1_024 to 67_108_864;

        /// How long a server without requests lives, or `"never"` to keep it. An open WebSocket or event stream is use.
        idle_timeout: Limit<Duration> = "10m", from "10ms" to "365d" because "a server that stops at once serves nobody; `\"never\"` keeps it";

        /// How long a server may take to become ready.
        start_timeout: Duration = "30s", from "1ms" to "1h" because "a server without time to start never starts";

        /// How long the requests of a server that stops may go on. Event streams that were asked for by GET, and WebSockets, are
        /// told to end at once.
        drain_timeout: Duration = "10s", from "0s" to "1d";

        /// How long a process may take to end after it is asked to, before it is killed.
        kill_timeout: Duration = "5s", from "0s" to "10m";

        /// How often a ready server is checked, or `"never"`.
        check_interval: Limit<Duration> = "30s", from "100ms" to "1d" because "checks would be most of a server's work; `\"never\"` switches them off";

        /// How long a check may take.
        check_timeout: Duration = "5s", from "1ms" to "10m";

        /// How many checks in a row fail before a server is replaced.
        unhealthy_after: u32 = 3, from 1 to 1_000 because "a server cannot be unhealthy before its first check";

        /// The age at which a server is replaced, or `"never"`.
        max_age: Limit<Duration> = "never", from "1s" to "3650d" because "servers would be replaced faster than they start";

        /// The number of requests after which a server is replaced, or `"never"`.
        max_uses: Limit<u64> = "never", from 1 to 1_000_000_000_000;

        /// The pause after a failed start.
        backoff: Backoff;

        /// When starts are not tried any more for a while.
        breaker: Breaker;
    }
}

section! {
    /// The pause between a failed start and the next attempt, longer each time.
    pub struct Backoff {
        /// The pause after the first failure.
        initial: Duration = "250ms", from "1ms" to "1h" because "a broken server would be started without end";

        /// The longest pause.
        max: Duration = "30s", from "1ms" to "1d";

        /// By how much each pause is longer than the one before.
        factor: f64 = 2.0, from 1.0 to 100.0 because "pauses must not become shorter";
    }
}

section! {
    /// When starts of a server are not tried any more for a while.
    pub struct Breaker {
        /// After how many failed starts in a row.
        failures: u32 = 5, from 1 to 1_000 because "a server that has not failed must be allowed to start";

        /// For how long.
        open_for: Duration = "30s", from "1ms" to "1d";
    }
}
