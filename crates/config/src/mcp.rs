//! `[mcp]`: the endpoint of the Model Context Protocol.

use std::time::Duration;

use ostler_net::{Address, HostName};

use crate::bounds::Bounds;
use crate::section::section;
use crate::setting::choice;

section! {
    /// The endpoint of the Model Context Protocol, at the path `/mcp` of a listener of its own.
    pub struct Mcp {
        /// Where to listen: one address or a list of them, loopback addresses or Unix sockets only. Without any there is no endpoint.
        listen: Vec<Address> = [], from 0 to 16;

        /// The tools that are offered, by the names of their sets.
        tools: Vec<ToolSet> = [], from 0 to 16;

        /// The hosts that requests may be for, besides the names of this machine's loopback, so that a web page cannot reach the endpoint
        /// under a name of its own that leads to this machine.
        allowed_hosts: Vec<HostName> = [], from 0 to 64;

        /// How long clients may take lists of what is offered for true.
        list_ttl: Duration = "1m", from "0s" to "1d";

        /// How long a response may be silent before the client is told that it goes on.
        heartbeat: Duration = "15s", from "10ms" to "1h";

        /// How long the session of a client is good for, in the revisions of the protocol that have such. It takes no memory.
        session_ttl: Duration = "30d", from "1s" to "365d";

        /// How long a client of such a revision is kept at a stream before it is asked to come back for the rest, if it knows how.
        stream_hold: Duration = "5m", from "10ms" to "1d";

        /// How long such a client waits before it comes back when its stream has ended.
        retry: Duration = "1s", from "1ms" to "1h";

        /// How often clients should ask what has become of a task.
        poll_interval: Duration = "1s", from "10ms" to "1h";

        /// How many progress and log messages wait for a client before the tool does.
        events_buffer: usize = 32, from 1 to 100_000;

        /// How many connections each listener has at once; the next one is answered 503 and closed.
        max_connections: usize = 10_000, from 1 to 1_000_000;

        /// How long calls may go on when Ostler ends.
        drain_timeout: Duration = "10s", from "0s" to "1d";

        /// What it allows its clients.
        bounds: Bounds;
    }
}

choice! {
    /// A set of tools.
    pub enum ToolSet {
        /// Tools to try things with: `book_flight`, `confirm_delete`, `slow_report`, `echo`.
        Demo = "demo",
    }
}
