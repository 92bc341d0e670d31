//! Signals: values told to whoever listens, by a sender that never waits.

use std::fmt;
use std::sync::Arc;

use crate::fanout::{Emitter, Overflow, Subscriber};

/// A broadcast that can be sent from anywhere, synchronously. A subscriber that does not keep up loses its oldest values
/// and is told how many. Clones send to the same subscribers; dropping the last one closes.
///
/// ```
/// use futures::StreamExt;
/// use ostler_scope::{Lagged, Signal};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let started = Signal::new();
/// let mut names = started.subscribe(2);
/// for name in ["one", "two", "three"] {
///     started.emit(name);
/// }
/// started.close();
/// assert_eq!(names.next().await, Some(Err(Lagged(1))));
/// assert_eq!(names.next().await, Some(Ok("two")));
/// assert_eq!(names.next().await, Some(Ok("three")));
/// assert_eq!(names.next().await, None);
/// # }
/// ```
pub struct Signal<T> {
    emitter: Arc<Emitter<T>>,
}

impl<T> Signal<T> {
    /// A signal without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self { emitter: Arc::new(Emitter::new()) }
    }

    /// Subscribes to what is emitted from now on, keeping at most `capacity` values that were not taken yet. After
    /// [`Signal::close`] the stream is at its end from the start.
    ///
    /// # Panics
    /// When `capacity` is zero.
    pub fn subscribe(&self, capacity: usize) -> Subscriber<T> {
        self.emitter.subscribe(capacity, Overflow::Count)
    }

    /// Ends every subscriber's stream after what it has queued. Remembered; a second call does nothing.
    pub fn close(&self) {
        self.emitter.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.emitter.is_closed()
    }
}

impl<T: Clone> Signal<T> {
    /// Gives each subscriber a clone of `value`: constant time for each. Does nothing without subscribers or once closed.
    pub fn emit(&self, value: T) {
        // Nobody who subscribes to a signal blocks it, so this is taken or the signal is closed.
        let _ = self.emitter.offer(value);
    }
}

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        Self { emitter: Arc::clone(&self.emitter) }
    }
}

impl<T> Default for Signal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
