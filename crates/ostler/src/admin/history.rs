//! The last events, numbered, for any number of readers who each keep their own place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::event::{EventDetail, EventView};

/// Which event: of which Ostler, and its number there.
///
/// Numbers begin anew with each process. The mark in front of them keeps an id of the last process from being taken for
/// one of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    mark: Arc<str>,
    number: u64,
}

/// A bounded buffer. Nobody who reads holds up who writes, and a reader that falls behind is told by how much.
#[derive(Debug)]
pub(super) struct History {
    mark: Arc<str>,
    capacity: usize,
    kept: Mutex<Kept>,
    /// Tells readers that there is more, or that there will be no more.
    news: watch::Sender<()>,
}

#[derive(Debug)]
struct Kept {
    /// Oldest first; their numbers are consecutive.
    events: VecDeque<Arc<EventView>>,
    /// The number of the next event. The first one is 1.
    next: u64,
    closed: bool,
}

/// One reader's place.
#[derive(Debug)]
pub(super) struct Cursor {
    history: Arc<History>,
    news: watch::Receiver<()>,
    /// The number of the next event to read.
    next: u64,
    /// What it has to be told first.
    gap: Option<EventDetail>,
}

// === impl EventId ===

impl EventId {
    fn parse(text: &str) -> Option<(&str, u64)> {
        let (mark, number) = text.rsplit_once('-')?;
        Some((mark, number.parse().ok()?))
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.mark, self.number)
    }
}

// === impl History ===

impl History {
    /// Keeps the last `capacity` events, under a mark that no other process has, as far as chance can tell.
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let mark = format!("{:08x}", fastrand::u32(..)).into();
        let kept = Mutex::new(Kept { events: VecDeque::new(), next: 1, closed: false });
        Arc::new(Self { mark, capacity, kept, news: watch::Sender::new(()) })
    }

    /// Numbers an event and keeps it. Returns its id.
    pub(super) fn push(&self, make: impl FnOnce(&EventId) -> EventView) -> EventId {
        let mut kept = self.lock();
        let id = EventId { mark: Arc::clone(&self.mark), number: kept.next };
        let event = Arc::new(make(&id));
        let oldest = if kept.events.len() >= self.capacity { kept.events.pop_front() } else { None };
        kept.events.push_back(event);
        kept.next += 1;
        drop(kept);
        drop(oldest);
        self.news.send_replace(());
        id
    }

    /// There will be no more: readers end once they have read the rest.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.send_replace(());
    }

    /// A reader of what comes after the event `last`, or of what comes from now on.
    pub(super) fn read(self: &Arc<Self>, last: Option<&str>) -> Cursor {
        let news = self.news.subscribe();
        let kept = self.lock();
        let oldest = kept.next - kept.events.len() as u64;
        let (next, gap) = match last.map(EventId::parse) {
            None => (kept.next, None),
            Some(Some((mark, number))) if mark == &*self.mark && number < kept.next => (number + 1, None),
            // What was missed of another process, nobody knows. All of this one is new to the reader.
            Some(_) => (oldest, Some(EventDetail::Lagged { missed: None })),
        };
        drop(kept);
        Cursor { history: Arc::clone(self), news, next, gap }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing under the lock panics but a caller's `make`, before it has changed anything.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Cursor ===

impl Cursor {
    /// The id of the event before the next one: whoever comes back with it misses nothing.
    pub(super) fn id(&self) -> EventId {
        EventId { mark: Arc::clone(&self.history.mark), number: self.next - 1 }
    }

    /// The next event, or None when there will be no more. A gap is an event too. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Arc<EventView>> {
        loop {
            self.news.mark_unchanged();
            if let Some(event) = self.take() {
                return Some(event);
            }
            if self.history.lock().closed {
                // Pushed between the two looks, and then closed.
                return self.take();
            }
            // The sender lives in the history, which this reader holds.
            self.news.changed().await.ok()?;
        }
    }

    fn take(&mut self) -> Option<Arc<EventView>> {
        let kept = self.history.lock();
        let oldest = kept.next - kept.events.len() as u64;
        if self.next < oldest {
            self.gap = Some(EventDetail::Lagged { missed: Some(oldest - self.next) });
            self.next = oldest;
        }
        if let Some(gap) = self.gap.take() {
            drop(kept);
            return Some(Arc::new(EventView::gap(self.id().to_string(), gap)));
        }
        let event = kept.events.get(usize::try_from(self.next - oldest).ok()?)?;
        self.next += 1;
        Some(Arc::clone(event))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn push(history: &History, count: usize) -> Vec<String> {
        let stopped = |id: &EventId| EventView::gap(id.to_string(), EventDetail::Stopped);
        (0..count).map(|_| history.push(stopped).to_string()).collect()
    }

    /// What can be read without waiting: ids, or how many were missed.
    fn read(cursor: &mut Cursor) -> Vec<String> {
        std::iter::from_fn(|| cursor.next().now_or_never().flatten())
            .map(|event| match &event.detail {
                EventDetail::Lagged { missed } => format!("lagged {missed:?}"),
                _ => event.id.clone(),
            })
            .collect()
    }

    #[test]
    fn a_reader_without_an_id_begins_with_what_comes_next() {
        let history = History::new(10);
        push(&history, 2);
        let mut cursor = history.read(None);
        let new = push(&history, 2);
        assert_eq!(read(&mut cursor), new);
    }

    #[test]
    fn a_reader_that_comes_back_misses_nothing() {
        let history = History::new(10);
        let mut first = history.read(None);
        let ids = push(&history, 3);
        assert_eq!(read(&mut first).len(), 3);
        assert_eq!(read(&mut history.read(Some(&ids[0]))), ids[1..]);
        assert_eq!(read(&mut history.read(Some(&first.id().to_string()))), [""; 0]);
    }

    #[test]
    fn a_gap_is_told_with_its_length() {
        let history = History::new(2);
        let mut slow = history.read(None);
        let ids = push(&history, 5);
        assert_eq!(read(&mut slow), ["lagged Some(3)", &ids[3], &ids[4]]);
        assert_eq!(read(&mut history.read(Some(&ids[0]))), ["lagged Some(2)", &ids[3], &ids[4]]);
    }

    #[test]
    fn an_id_of_another_process_is_a_gap_of_unknown_length() {
        let history = History::new(2);
        let ids = push(&history, 1);
        for foreign in ["00000000-x", "", "another-1", &ids[0].replace("-1", "-9")] {
            assert_eq!(read(&mut history.read(Some(foreign))), ["lagged None", &ids[0]], "{foreign}");
        }
    }

    #[test]
    fn the_end_comes_after_the_last_event() {
        let history = History::new(2);
        let mut cursor = history.read(None);
        let ids = push(&history, 1);
        history.close();
        assert_eq!(read(&mut cursor), ids);
        assert!(matches!(cursor.next().now_or_never(), Some(None)));
        assert!(matches!(history.read(None).next().now_or_never(), Some(None)));
    }
}
