//! Every metric there is: Prometheus conventions, base units, `_total` for what only grows.

/// A name and what `# HELP` says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

const fn metric(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help }
}

pub(super) const BUILD_INFO: Metric = metric("ostler_build_info", "Always 1; the version is its label.");
pub(super) const READY: Metric = metric("ostler_ready", "1 while requests are taken, 0 while draining.");

pub(super) const UPTIME: Metric = metric("ostler_uptime_seconds", "Seconds since the start.");
pub(super) const RESIDENT_MEMORY: Metric =
    metric("ostler_resident_memory_bytes", "Resident memory of Ostler itself, without its children.");
pub(super) const OPEN_FDS: Metric = metric("ostler_open_fds", "Open file descriptors of Ostler itself.");

pub(super) const CONNECTIONS: Metric =
    metric("ostler_http_connections", "Connections open now, by listener and phase.");
pub(super) const HTTP_RESPONSES: Metric =
    metric("ostler_http_responses_total", "Responses begun, by listener.");
pub(super) const HTTP_EVENTS: Metric = metric(
    "ostler_http_events_total",
    "What has happened to connections, by listener, event and, for what could not be sent, site.",
);
pub(super) const RESPONSES: Metric = metric(
    "ostler_switchboard_responses_total",
    "Responses to clients of the switchboard, by listener and class of status code.",
);
pub(super) const PROBLEMS: Metric = metric(
    "ostler_switchboard_problems_total",
    "Requests that the switchboard answered itself because something was wrong, by listener and problem.",
);

pub(super) const MAX_SERVERS: Metric =
    metric("ostler_pool_max_servers", "How many servers there may be at once.");
pub(super) const SERVERS: Metric = metric("ostler_pool_servers", "Servers that exist now, by state.");
pub(super) const EVENTS: Metric =
    metric("ostler_pool_events_total", "What has happened to servers, by kind.");
pub(super) const EVICTIONS: Metric =
    metric("ostler_pool_evictions_total", "Servers that were told to go, by cause.");
pub(super) const SERVER_LEASES: Metric =
    metric("ostler_server_leases", "Requests and connections that use a server now, by key.");
pub(super) const SERVER_REQUESTS: Metric = metric(
    "ostler_server_requests_total",
    "Requests and connections given to the running server of a key since it started.",
);
