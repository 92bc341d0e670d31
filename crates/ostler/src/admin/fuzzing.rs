//! The history of events, for the fuzz targets alone.

use futures::FutureExt;

use super::event::{EventDetail, EventView};
use super::history::History;

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The event with this number, counted from 1.
    Event(usize),
    /// So many were missed, if that is known.
    Lagged(Option<u64>),
}

/// What is read of a history of `events` events, the last `capacity` of which are kept, behind `last`: an id in which `{mark}` stands for
/// the history's own mark.
pub fn resume(capacity: usize, events: usize, last: &str) -> Vec<Read> {
    let history = History::new(capacity);
    let ids: Vec<String> = (0..events)
        .map(|_| history.push(|id| EventView::gap(id.to_string(), EventDetail::Stopped)).to_string())
        .collect();
    let place = history.read(None).id().to_string();
    let (mark, _) = place.rsplit_once('-').unwrap_or_default();
    let mut cursor = history.read(Some(&last.replace("{mark}", mark)));
    std::iter::from_fn(|| cursor.next().now_or_never().flatten())
        .map(|event| match &event.detail {
            EventDetail::Lagged { missed } => Read::Lagged(*missed),
            _ => Read::Event(ids.iter().position(|id| *id == event.id).map_or(0, |index| index + 1)),
        })
        .collect()
}
