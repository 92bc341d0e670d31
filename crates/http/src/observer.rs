//! Who is told of what happens.

use crate::Event;

/// Is told of everything that happens to a server's connections.
///
/// It is called on the thread where it happened, often a worker's, so it must not block. Closures are observers.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use ostler_http::{Event, EventKind, Observer};
///
/// #[derive(Default)]
/// struct Slow(AtomicUsize);
///
/// impl Observer for Slow {
///     fn on(&self, event: &Event) {
///         if matches!(event.kind, EventKind::HeaderTimeout) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Is told of one event.
    fn on(&self, event: &Event);

    /// This observer and another one.
    fn and<O: Observer>(self, other: O) -> Both<Self, O>
    where
        Self: Sized,
    {
        Both(self, other)
    }
}

/// Two observers, told one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Both<A, B>(A, B);

impl<A: Observer, B: Observer> Observer for Both<A, B> {
    fn on(&self, event: &Event) {
        self.0.on(event);
        self.1.on(event);
    }
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn on(&self, event: &Event) {
        self(event);
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Observer for Discard {
    fn on(&self, _event: &Event) {}
}

/// Writes every event to the standard error, one a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Print;

impl Observer for Print {
    fn on(&self, event: &Event) {
        use std::io::Write as _;
        // Nobody is left to be told that the standard error is closed.
        let _ = writeln!(std::io::stderr(), "{event:?}");
    }
}

/// Writes events to the log of [`tracing`], each with the level of its [severity](crate::Severity).
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn on(&self, event: &Event) {
        use crate::Severity;
        let (connection, peer) = (event.connection.map(|id| id.0), event.peer.map(tracing::field::display));
        let (protocol, event) = (event.protocol, &event.kind);
        let name = event.name();
        match event.severity() {
            Severity::Debug => tracing::debug!(connection, peer, %protocol, ?event, "{name}"),
            Severity::Info => tracing::info!(connection, peer, %protocol, ?event, "{name}"),
            Severity::Warn => tracing::warn!(connection, peer, %protocol, ?event, "{name}"),
            Severity::Error => tracing::error!(connection, peer, %protocol, ?event, "{name}"),
        }
    }
}
