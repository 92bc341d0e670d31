//! `[admin.bounds]` and `[builtin.bounds]`: what the HTTP servers that are part of Ostler allow their clients.

use std::time::Duration;

use crate::section::section;
use crate::setting::Limit;

section! {
    /// What an HTTP server that is part of Ostler allows its clients. `[switchboard]` has the same keys for those who are
    /// passed on to other servers.
    pub struct Bounds {
        /// How long a client may take to send the head of a request, from its first byte; then it is answered 408.
        header_timeout: Duration = "30s", from "1ms" to "10m" because "a client that sends a byte now and then would hold its connection for ever";

        /// How long a connection without a request stays open.
        idle_timeout: Duration = "30s", from "1ms" to "1d";

        /// How many bytes the head of a request may have; a larger one is answered 431.
        max_head_size: usize = 65_536, from 1_024 to 1_048_576;

        /// How many header fields a request may have; with more it is answered 431.
        max_headers: usize = 100, from 1 to 10_000;

        /// How many bytes one header field may have, or `"never"` for no bound of its own.
        max_header_size: Limit<usize> = 8_192, from 1 to 1_048_576;

        /// How many bytes the trailers of a request may have, or `"never"` for no bound of their own.
        max_trailer_size: Limit<usize> = 8_192, from 1 to 1_048_576;

        /// How many bytes the body of a request may have, or `"never"`; a larger one is answered 413.
        max_body_size: Limit<u64> = 1_048_576, from 0 to 1_000_000_000_000;

        /// How long the body of a request may take, or `"never"`; then it is answered 408.
        body_timeout: Limit<Duration> = "60s", from "1ms" to "1d";

        /// How long the next bytes of a request's body may take, or `"never"`; then it is answered 408.
        read_timeout: Limit<Duration> = "30s", from "1ms" to "1d";

        /// With how many bytes a second the body of a request has to come, or `"never"`.
        min_receive_rate: Limit<u64> = 256, from 1 to 1_000_000_000;

        /// How long a client may take to read the next bytes of a response, or `"never"`; then its connection is reset.
        write_timeout: Limit<Duration> = "30s", from "1ms" to "1d";

        /// With how many bytes a second a client has to read a response, or `"never"`.
        min_send_rate: Limit<u64> = 256, from 1 to 1_000_000_000;

        /// Over how long both rates are measured.
        rate_window: Duration = "20s", from "10ms" to "1h";

        /// How long a client that goes on sending behind its last response is listened to, so that it sees that response.
        linger_timeout: Duration = "10s", from "1ms" to "10m";

        /// How many bytes of that are read and thrown away.
        linger_size: u64 = 67_108_864, from 0 to 1_000_000_000_000;
    }
}
