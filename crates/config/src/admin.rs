//! `[admin]`: the API through which Ostler is watched and told to stop things.

use std::time::Duration;

use ostler_net::{Address, HostName};

use crate::section::section;

section! {
    /// The API through which Ostler is watched and told to stop things. It has a listener of its own, on loopback addresses or
    /// Unix sockets only.
    pub struct Admin {
        /// Where to listen: one address or a list of them.
        listen: Vec<Address> = "127.0.0.1:8001", from 1 to 16 because "`ps`, `events`, `stop` and `drain` need it";

        /// The hosts that requests may be for, so that a web page cannot reach the API under a name of its own that leads to this
        /// machine. A list here replaces the default.
        allowed_hosts: Vec<HostName> = ["localhost", "127.0.0.1", "[::1]"], from 1 to 64;

        /// How many of the last events are kept for those who come back to `/events` with an id.
        events_buffer: usize = 1_024, from 1 to 1_000_000;

        /// How many of the last failures are kept for `/failures`.
        failures_buffer: usize = 64, from 1 to 100_000;

        /// How many of the last lines of a server's output are shown. More than `pool.output_lines` are not kept.
        output_lines: usize = 200, from 1 to 100_000;

        /// How many connections each listener has at once; the next one is answered 503 and closed.
        max_connections: usize = 256, from 1 to 65_536;

        /// How long answers may go on once everything else has ended, so that who does not read them does not keep Ostler.
        drain_timeout: Duration = "1s", from "0s" to "1m";
    }
}
