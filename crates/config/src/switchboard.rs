//! `[switchboard]`: where requests come in, and how they are passed on.

use std::time::Duration;

use http::HeaderName;
use ostler_net::{Address, HostName};

use crate::http2::Http2;
use crate::section::section;
use crate::setting::{Limit, TrustedProxy, choice};

section! {
    /// Where requests come in, and how they are passed on to the servers.
    pub struct Switchboard {
        /// Where to listen: one address or a list of them. A relative path of a Unix socket begins at the directory of the
        /// configuration file. Port 0 takes a free one.
        listen: Vec<Address> = "127.0.0.1:8000", from 0 to 16;

        /// Where to listen with TLS: one address or a list of them. HTTP/2 and HTTP/1.1 are offered. It needs a `[[certificate]]`; with
        /// `listen = []` there is nothing but TLS.
        tls_listen: Vec<Address> = [], from 0 to 16;

        /// How often the files of certificates are looked at, to read those that have changed.
        certificate_check_interval: Duration = "10s", from "100ms" to "1d" because "looking would be most of what is done";

        /// A header that names the host to serve, for requests whose own host has no server: with
        /// `app_header = "X-App-Name"`, a request to `127.0.0.1:8000` with `X-App-Name: shop.localhost` goes to
        /// `shop.localhost`. Any client can send it, so it chooses among the configured hosts and no others.
        app_header: Option<HeaderName>;

        /// The host to serve when nothing else matches. Without it such a request is answered 404.
        default_host: Option<HostName>;

        /// Whether a host without a server is looked up once more by its first label alone: `shop.example.com` and
        /// `shop.localhost` then both go to the server of host `shop`. IP addresses are never cut.
        first_label: bool = false;

        /// What is done with `Forwarded`, `X-Forwarded-*` and `X-Real-IP`; the last is never written. Other spellings that some
        /// servers take for these or for other fields of ours, such as `X_Forwarded_For`, are dropped in any case.
        forwarded: Forwarded = "append";

        /// The peers whose `Forwarded`, `X-Forwarded-*`, `X-Real-IP` and request ids are believed: addresses, networks, or `"unix"` for
        /// whoever connects to a Unix socket. What others send in these headers is dropped.
        trusted_proxies: Vec<TrustedProxy> = [], from 0 to 256;

        /// What is done with the request id.
        request_id: RequestId = "keep";

        /// The header that carries the request id.
        request_id_header: HeaderName = "x-request-id";

        /// What is done with `traceparent` and `tracestate`.
        traceparent: Traceparent = "keep";

        /// How long a request waits for its server: for a free place, for the start and for its readiness together.
        wait_timeout: Duration = "30s", from "1ms" to "1h" because "the first request of a server has to wait for its start";

        /// How many times a request may pass through Ostler, which it finds in `Via`. One that comes back once more is in a loop
        /// and is answered 508. A server behind Ostler that passes requests on to another host of it needs more than 1.
        max_passes: usize = 10, from 1 to 100;

        /// How many connections are open at once; the next one is answered 503 and closed.
        max_connections: usize = 10_000, from 1 to 1_000_000;

        /// How long no connection is accepted after one could not be for a reason of our own, such as too many open files.
        accept_backoff: Duration = "50ms", from "1ms" to "1m";

        /// How long a client may take to send the head of a request, from its first byte; then it is answered 408.
        header_timeout: Duration = "10s", from "1ms" to "10m" because "a client that sends a byte now and then would hold its connection for ever";

        /// How long a connection without a request stays open.
        idle_timeout: Duration = "75s", from "1ms" to "1d";

        /// How many bytes the head of a request may have; a larger one is answered 431.
        max_head_size: usize = 65_536, from 1_024 to 1_048_576;

        /// How many header fields a request may have; with more it is answered 431.
        max_headers: usize = 100, from 1 to 10_000;

        /// How many bytes one header field may have, or `"never"` for no bound of its own.
        max_header_size: Limit<usize> = "never", from 1 to 1_048_576;

        /// How many bytes the trailers of a request may have, or `"never"` for no bound of their own.
        max_trailer_size: Limit<usize> = "never", from 1 to 1_048_576;

        /// How many bytes the body of a request may have, or `"never"`, since that is for the server behind to say; a larger one
        /// is answered 413.
        max_body_size: Limit<u64> = "never", from 0 to 1_000_000_000_000;

        /// How long the body of a request may take, or `"never"`; then it is answered 408.
        body_timeout: Limit<Duration> = "never", from "1ms" to "1d";

        /// How long the next bytes of a request's body may take while its server waits for them, or `"never"`; then it is answered
        /// 408.
        read_timeout: Limit<Duration> = "never", from "1ms" to "1d";

        /// With how many bytes a second the body of a request has to come while its server waits for it, or `"never"`.
        min_receive_rate: Limit<u64> = "never", from 1 to 1_000_000_000;

        /// How long a client may take to read the next bytes of a response, or `"never"`; then its connection is reset. It holds
        /// for WebSockets and other tunnels too.
        write_timeout: Limit<Duration> = "60s", from "1ms" to "1d";

        /// With how many bytes a second a client has to read a response while there are more for it, or `"never"`.
        min_send_rate: Limit<u64> = 256, from 1 to 1_000_000_000;

        /// Over how long both rates are measured.
        rate_window: Duration = "20s", from "10ms" to "1h";

        /// How long a client that goes on sending behind its last response is listened to, so that it sees that response.
        linger_timeout: Duration = "10s", from "1ms" to "10m";

        /// How many bytes of that are read and thrown away.
        linger_size: u64 = 67_108_864, from 0 to 1_000_000_000_000;

        /// How long Ostler goes on accepting connections once it is asked to end, so that whoever sends it clients can find out that
        /// it is not ready any more. It is part of `drain_timeout`.
        lame_duck: Duration = "0s", from "0s" to "1h";
        /// How long a WebSocket that one side has closed waits for the last words of the other side.
        half_closed_timeout: Duration = "1s", from "0s" to "1h";

        /// How long connecting to a ready server may take.
        upstream_connect_timeout: Duration = "5s", from "1ms" to "10m";

        /// How long an unused connection to a server is kept for the next request.
        upstream_idle_timeout: Duration = "60s", from "1ms" to "1d";

        /// How many unused connections to one server each worker keeps.
        upstream_max_idle: usize = 64, from 1 to 65_536;

        /// How long requests in flight may go on once Ostler is asked to end; what is left then is cut, and the exit code
        /// is 3. Event streams that were asked for by GET, and WebSockets, are told to end at once.
        drain_timeout: Duration = "30s", from "0s" to "1d";

        /// How long the successor that `ostler replace` starts may take until it serves. If it takes longer it is ended, and nothing
        /// has changed.
        replace_timeout: Duration = "30s", from "100ms" to "1h";

        /// How long connections without a request stay open once a successor serves. Whoever asks in that time is answered, and told
        /// to come back on a new connection; whoever asks as his connection is closed has to ask again.
        replace_grace: Duration = "2s", from "0s" to "1h";

        /// How many threads serve connections. Default: one for each processor.
        workers: Option<usize>, from 1 to 1_024;

        /// The bounds that only HTTP/2 needs.
        http2: Http2;
    }
}

choice! {
    /// What is done with `Forwarded`, `X-Forwarded-*` and `X-Real-IP`.
    pub enum Forwarded {
        /// Keep what a trusted proxy has sent, drop what others have, and add the client's address.
        Append = "append",
        /// Drop what was sent, by anyone, and write the client's address.
        Replace = "replace",
        /// Drop what was sent, and write nothing.
        Remove = "remove",
    }
}

choice! {
    /// What is done with the request id.
    pub enum RequestId {
        /// Keep what a trusted proxy has sent, make a new one otherwise.
        Keep = "keep",
        /// Always make a new one.
        Replace = "replace",
        /// Pass on what was sent, and make none.
        Pass = "pass",
    }
}

choice! {
    /// What is done with `traceparent` and `tracestate`.
    pub enum Traceparent {
        /// Pass on what was sent, begin a trace otherwise.
        Keep = "keep",
        /// Always begin a trace.
        Replace = "replace",
        /// Pass on what was sent, and begin none.
        Pass = "pass",
    }
}
