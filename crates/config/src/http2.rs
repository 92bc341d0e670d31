//! `[switchboard.http2]`: the bounds that only HTTP/2 needs.

use std::time::Duration;

use crate::section::section;

section! {
    /// The bounds that only HTTP/2 needs. It is spoken with clients that begin with it, and agreed on by TLS.
    pub struct Http2 {
        /// How many requests one connection may have under way at once; one more is refused, and the client may repeat it.
        max_streams: u32 = 128, from 1 to 65_536 because "a connection without requests is of no use";

        /// How many requests in a row a client may take back before Ostler has looked at them; one more ends the connection.
        max_resets: usize = 32, from 1 to 65_536 because "a client may change its mind";

        /// How many bytes of a request body, in all requests of a connection together, wait in memory for a server that reads slowly.
        window: u32 = 1_048_576, from 65_535 to 16_777_216 because "HTTP/2 begins with 65535";

        /// How many bytes of a response wait in memory for a client that reads slowly.
        send_buffer: u32 = 131_072, from 16_384 to 16_777_216 because "a frame has 16384 bytes";

        /// How often a client that says nothing is asked whether it is still there.
        ping_interval: Duration = "20s", from "10ms" to "1h";

        /// How long it may take to answer that, and to answer the notice that a connection ends.
        ping_timeout: Duration = "10s", from "10ms" to "10m";
    }
}
