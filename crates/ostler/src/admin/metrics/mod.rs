//! `/metrics`: read off what runs at each scrape, so that a metric cannot disagree with it.

mod names;
mod process;
mod scrape;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use ostler_http::{EventCounts, Phase, SendSite, ServerHandle};
use ostler_pool::ServerState;
use ostler_switchboard::Switchboard;
use ostler_tools::SessionsStatus;

use self::scrape::Scrape;
use super::AdminState;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "ostler", responses(
    (status = 200, description = "The text format of Prometheus", body = String, content_type = "text/plain; version=0.0.4"),
))]
pub(super) async fn metrics(State(state): State<AdminState>) -> impl IntoResponse {
    state.watch.catch_up();
    let scrape = Scrape::new();
    ostler(&scrape, &state);
    for (server, counts) in state.listeners.get().into_iter().flatten() {
        listener(&scrape, server, counts);
    }
    for (board, counts) in state.switchboards.iter().zip(&state.http_events) {
        switchboard(&scrape, board, counts);
    }
    if let Some(mcp) = &state.mcp {
        for (server, counts) in mcp.counted() {
            listener(&scrape, server, counts);
        }
        tools(&scrape, &mcp.sessions().status());
    }
    if let Some(database) = &state.database {
        let written = database.written();
        scrape.counter(names::STORE_ENTRIES, &[], written.entries);
        scrape.counter(names::STORE_COMMITS, &[], written.commits);
        scrape.counter(names::STORE_FAILURES, &[], written.failures);
    }
    pool(&scrape, &state);
    ([(CONTENT_TYPE, TEXT)], scrape.render())
}

fn ostler(scrape: &Scrape, state: &AdminState) {
    scrape.gauge(names::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    scrape.gauge(names::READY, &[], if state.is_draining() { 0.0 } else { 1.0 });
    scrape.gauge(names::UPTIME, &[], state.started.elapsed().as_secs_f64());
    for (outcome, count) in state.replacement.counts.outcomes() {
        scrape.counter(names::REPLACEMENTS, &[("outcome", outcome)], count);
    }
    if let Some(bytes) = process::resident_memory() {
        scrape.gauge(names::RESIDENT_MEMORY, &[], bytes as f64);
    }
    if let Some(count) = process::open_fds() {
        scrape.gauge(names::OPEN_FDS, &[], count as f64);
    }
}

fn listener(scrape: &Scrape, server: &ServerHandle, counts: &EventCounts) {
    let address = server.address().to_string();
    let phases = server.phases().0;
    for phase in Phase::ALL {
        let count = phases.get(&phase).copied().unwrap_or_default();
        scrape.gauge(names::CONNECTIONS, &[("listener", &address), ("phase", phase.name())], count as f64);
    }
    scrape.counter(names::HTTP_RESPONSES, &[("listener", &address)], server.served());
    for (event, site, count) in counts.all() {
        let labels = [("listener", &*address), ("event", event), ("site", site.map_or("", SendSite::name))];
        let labels = if site.is_some() { &labels[..] } else { &labels[..2] };
        scrape.counter(names::HTTP_EVENTS, labels, count);
    }
}

fn switchboard(scrape: &Scrape, switchboard: &Switchboard, counts: &EventCounts) {
    listener(scrape, switchboard.server(), counts);
    let address = switchboard.address().to_string();
    let counted = switchboard.counted();
    for (class, count) in counted.responses {
        scrape.counter(names::RESPONSES, &[("listener", &address), ("class", class.name())], count);
    }
    for (problem, count) in counted.problems {
        scrape.counter(names::PROBLEMS, &[("listener", &address), ("problem", problem)], count);
    }
}

fn tools(scrape: &Scrape, status: &SessionsStatus) {
    scrape.counter(names::CALLS, &[], status.calls);
    scrape.counter(names::ROUNDS, &[], status.rounds);
    scrape.counter(names::RESUMED, &[("from", "live")], status.resumed_live);
    scrape.counter(names::RESUMED, &[("from", "journal")], status.resumed_from_journal);
    scrape.counter(names::RESUMED, &[("from", "sealed")], status.resumed_sealed);
    scrape.counter(names::EVICTED, &[], status.evicted);
    scrape.counter(names::FAILED_SESSIONS, &[("failure", "expired")], status.expired);
    scrape.counter(names::FAILED_SESSIONS, &[("failure", "diverged")], status.diverged);
    scrape.counter(names::FOREIGN_WAKES, &[], status.foreign_wakes);
    scrape.counter(names::UNTOLD, &[], status.untold);
    scrape.gauge(names::SESSIONS, &[("state", "parked")], status.parked as f64);
    scrape.gauge(names::SESSIONS, &[("state", "busy")], status.busy as f64);
    scrape.gauge(names::PARKED_BYTES, &[], status.parked_bytes as f64);
}

fn pool(scrape: &Scrape, state: &AdminState) {
    let servers = state.pool.servers();
    let mut states: BTreeMap<&'static str, u32> = [
        ServerState::Reserved,
        ServerState::Starting,
        ServerState::Ready,
        ServerState::Draining,
        ServerState::Stopping,
    ]
    .map(|state| (state.as_str(), 0))
    .into();
    for server in &servers {
        *states.entry(server.state.as_str()).or_default() += 1;
        let key = &[("key", server.key.as_str())];
        scrape.gauge(names::SERVER_LEASES, key, f64::from(server.leases));
        scrape.counter(names::SERVER_REQUESTS, key, server.served);
    }
    for (name, count) in states {
        scrape.gauge(names::SERVERS, &[("state", name)], f64::from(count));
    }
    scrape.gauge(names::MAX_SERVERS, &[], state.pool.config().max_servers as f64);
    for (kind, count) in state.watch.counts.kinds() {
        scrape.counter(names::EVENTS, &[("kind", kind)], count);
    }
    for (cause, count) in state.watch.counts.causes() {
        scrape.counter(names::EVICTIONS, &[("cause", cause)], count);
    }
}
