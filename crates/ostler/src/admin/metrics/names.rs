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

pub(super) const REPLACEMENTS: Metric = metric(
    "ostler_replacements_total",
    "Attempts to replace this process, by outcome; the successor of one that is done begins with none.",
);

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

pub(super) const CALLS: Metric = metric(
    "ostler_tools_calls_total",
    "Calls of tools, prompts and resources, those that never waited included.",
);
pub(super) const ROUNDS: Metric = metric(
    "ostler_tools_rounds_total",
    "Rounds of questions with which a session came to wait for its client.",
);
pub(super) const RESUMED: Metric = metric(
    "ostler_tools_resumed_total",
    "Answers that a session went on with, by what was left of it: live, or its journal alone.",
);
pub(super) const FAILED_SESSIONS: Metric =
    metric("ostler_tools_failures_total", "Sessions that came to no end of their own, by kind of failure.");
pub(super) const EVICTED: Metric = metric(
    "ostler_tools_evicted_total",
    "Parked sessions of which only the journal was kept, for their memory.",
);
pub(super) const FOREIGN_WAKES: Metric = metric(
    "ostler_tools_foreign_wakes_total",
    "Parked sessions that were woken by something that is not their context's, which is a fault of their tool.",
);
pub(super) const UNTOLD: Metric = metric(
    "ostler_tools_untold_total",
    "Progress and log messages that were dropped because their calls had told as many as are kept.",
);
pub(super) const SESSIONS: Metric = metric(
    "ostler_tools_sessions",
    "Sessions in memory now: parked between two rounds, or busy with an answer.",
);
pub(super) const PARKED_BYTES: Metric =
    metric("ostler_tools_parked_bytes", "Bytes that parked sessions hold, roughly.");
pub(super) const STORE_ENTRIES: Metric =
    metric("ostler_store_entries_total", "Entries of journals that were made durable.");
pub(super) const STORE_COMMITS: Metric =
    metric("ostler_store_commits_total", "Commits of groups of entries, each with one sync of the disk.");
pub(super) const STORE_FAILURES: Metric =
    metric("ostler_store_failures_total", "Writes and commits of the store that failed.");

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
