//! How often each event has happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Event, EventKind, Observer, SendSite};

/// Counts events by name, and those that could not be sent by their site. Clones count together.
///
/// ```
/// use ostler_http::{EventCounts, Observer, Tracing};
///
/// let counts = EventCounts::default();
/// let observer = Tracing.and(counts.clone());
/// // … serve with `observer`, and tell whoever scrapes:
/// for (event, site, count) in counts.all() {
///     assert_eq!(count, 0, "{event} {site:?}");
/// }
/// # let _ = observer;
/// ```
#[derive(Clone, Debug, Default)]
pub struct EventCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// In the order of [`EventKind::NAMES`].
    kinds: [AtomicU64; EventKind::NAMES.len()],
    /// In the order of [`SendSite::ALL`].
    sites: [AtomicU64; SendSite::ALL.len()],
}

impl EventCounts {
    /// Every event there is with its name and, for what could not be sent, its site.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Option<SendSite>, u64)> {
        let Counts { kinds, sites } = &*self.0;
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let kinds =
            EventKind::NAMES.into_iter().zip(kinds).filter(|(name, _)| *name != EventKind::SEND_FAILED);
        let kinds = kinds.map(move |(name, count)| (name, None, value(count)));
        let sites = SendSite::ALL.into_iter().zip(sites);
        kinds.chain(sites.map(move |(site, count)| (EventKind::SEND_FAILED, Some(site), value(count))))
    }
}

impl Observer for EventCounts {
    fn on(&self, event: &Event) {
        let name = event.kind.name();
        let kind = EventKind::NAMES.iter().position(|known| *known == name);
        let site = match event.kind {
            EventKind::SendFailed { site, .. } => SendSite::ALL.iter().position(|known| *known == site),
            _ => None,
        };
        let counts = [kind.map(|kind| &self.0.kinds[kind]), site.map(|site| &self.0.sites[site])];
        for count in counts.into_iter().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
