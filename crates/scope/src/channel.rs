//! Channels: values told to whoever listens, by a sender that waits for those who ask it to.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::fanout::{Emitter, Offer, Overflow, Subscriber};

/// The channel was closed; the value went to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel is closed")]
pub struct ChannelClosed;

/// A broadcast in which each subscriber chooses: hold the sender back, or lag and be told by how much. Clones send to the
/// same subscribers; dropping the last one closes.
///
/// For single delivery, one consumer for each value, use `tokio::sync::mpsc`.
///
/// ```
/// use futures::StreamExt;
/// use ostler_scope::{Channel, Overflow};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let events = Channel::new();
/// let mut audit = events.subscribe(1, Overflow::Block);
/// events.send("started").await.unwrap();
/// assert_eq!(audit.next().await, Some(Ok("started")));
/// # }
/// ```
pub struct Channel<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    emitter: Emitter<T>,
    /// Held while sending, so that all subscribers see one order and senders are served in turn.
    turn: Mutex<()>,
}

impl<T> Channel<T> {
    /// A channel without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { emitter: Emitter::new(), turn: Mutex::new(()) }) }
    }

    /// Subscribes to what is sent from now on, keeping at most `capacity` values that were not taken yet. After
    /// [`Channel::close`] the stream is at its end from the start.
    ///
    /// # Panics
    /// When `capacity` is zero.
    pub fn subscribe(&self, capacity: usize, overflow: Overflow) -> Subscriber<T> {
        self.shared.emitter.subscribe(capacity, overflow)
    }

    /// Ends every subscriber's stream after what it has queued, and every waiting [`Channel::send`]. Remembered; a second
    /// call does nothing.
    pub fn close(&self) {
        self.shared.emitter.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.emitter.is_closed()
    }
}

impl<T: Clone> Channel<T> {
    /// Gives each subscriber a clone of `value`, once all who block have room. Returns at once without subscribers.
    ///
    /// Cancel safe: dropped while it waits, nobody has got the value; there is no in-between.
    ///
    /// # Errors
    /// [`ChannelClosed`] when the channel was closed, before or while waiting.
    pub async fn send(&self, value: T) -> Result<(), ChannelClosed> {
        let _turn = self.shared.turn.lock().await;
        match self.shared.emitter.send(value).await {
            Offer::Taken => Ok(()),
            Offer::Closed | Offer::Full(_) => Err(ChannelClosed),
        }
    }
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Channel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
