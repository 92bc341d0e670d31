//! `/events`: what happens, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt, stream};
use http::HeaderMap;

use super::AdminState;
use super::event::EventView;
use super::history::Cursor;

/// How long nothing may be said: proxies and clients take a silent stream for a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a client whose connection broke should come back.
const RETRY: Duration = Duration::from_secs(1);

/// What happens to servers, from now on or from behind `Last-Event-ID`.
///
/// Each event has a type, which is also its `kind`, and an id to resume from. If events are missing because they are not
/// kept any more, a `lagged` event says so. The stream ends with Ostler, after the last `stopped`.
#[utoipa::path(get, path = "/events", tag = "servers",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was read")),
    responses((status = 200, description = "An event stream", body = EventView, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(state): State<AdminState>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()));
    // What has happened by now is not what comes from now on.
    state.watch.catch_up();
    let cursor = state.watch.history.read(last.as_deref());
    // An id without data is no event, but a place to come back to before the first one.
    let place = Event::default().id(cursor.id().to_string()).retry(RETRY);
    let events = stream::unfold(cursor, async |mut cursor: Cursor| {
        let event = cursor.next().await?;
        Some((encode(&event), cursor))
    });
    let stream = stream::iter([place]).chain(events).map(Ok);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn encode(event: &EventView) -> Event {
    let data = serde_json::to_string(event).expect("a struct of strings and numbers is JSON");
    Event::default().id(&event.id).event(event.detail.name()).data(data)
}
