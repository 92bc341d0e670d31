//! What [`Signal`](crate::Signal) and [`Channel`](crate::Channel) share: one bounded queue for each subscriber.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use slab::Slab;
use tokio::sync::Notify;

/// A subscriber was too slow: this many values were dropped before the next one it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lagged behind by {0}")]
pub struct Lagged(pub u64);

/// What happens to a subscriber whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The sender waits for room, so nothing is lost and one slow subscriber slows the sender down.
    Block,
    /// Its oldest value makes room, and it is told how many it lost.
    Count,
}

/// The receiving end: a stream of values in the order they were sent, ending when the sender closed and all were taken.
///
/// Dropping it unsubscribes. Taking the next value is cancel safe.
#[must_use = "a subscriber that is not read lags, or blocks the sender"]
pub struct Subscriber<T> {
    hub: Arc<Hub<T>>,
    /// Its queue in the hub.
    slot: usize,
}

/// The sending end. Closes when the last of the handles that share it goes.
pub(crate) struct Emitter<T> {
    hub: Arc<Hub<T>>,
}

struct Hub<T> {
    state: Mutex<State<T>>,
    /// Wakes senders that wait for room in a blocking subscriber's queue.
    room: Notify,
}

struct State<T> {
    closed: bool,
    queues: Slab<Queue<T>>,
}

struct Queue<T> {
    /// Oldest first, never more than `capacity`.
    values: VecDeque<T>,
    capacity: usize,
    overflow: Overflow,
    /// Dropped since the subscriber was last told; all of them older than `values`.
    lost: u64,
    /// The subscriber, when it waits.
    waker: Option<Waker>,
}

// === impl Emitter ===

impl<T> Emitter<T> {
    pub(crate) fn new() -> Self {
        let state = Mutex::new(State { closed: false, queues: Slab::new() });
        Self { hub: Arc::new(Hub { state, room: Notify::new() }) }
    }

    pub(crate) fn subscribe(&self, capacity: usize, overflow: Overflow) -> Subscriber<T> {
        assert!(capacity > 0, "a subscriber needs room for one value at least");
        let queue = Queue { values: VecDeque::new(), capacity, overflow, lost: 0, waker: None };
        let slot = self.hub.lock().queues.insert(queue);
        Subscriber { hub: Arc::clone(&self.hub), slot }
    }

    pub(crate) fn close(&self) {
        let mut state = self.hub.lock();
        state.closed = true;
        let wakers: Vec<_> = state.queues.iter_mut().filter_map(|(_, queue)| queue.waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.hub.room.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.hub.lock().closed
    }
}

impl<T: Clone> Emitter<T> {
    /// Gives `value` to every subscriber at once, or gives it back to try again when one is full and blocks.
    pub(crate) fn offer(&self, value: T) -> Offer<T> {
        let mut state = self.hub.lock();
        if state.closed {
            return Offer::Closed;
        }
        if state.queues.iter().any(|(_, queue)| queue.blocks()) {
            return Offer::Full(value);
        }
        let mut dropped = Vec::new();
        let mut wakers = Vec::new();
        for (_, queue) in &mut state.queues {
            dropped.extend(queue.push(value.clone()));
            wakers.extend(queue.waker.take());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Offer::Taken
    }

    /// Waits for room in every queue that blocks. The caller must be the only one who sends.
    pub(crate) async fn send(&self, mut value: T) -> Offer<T> {
        loop {
            let room = self.hub.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.offer(value) {
                Offer::Full(back) => value = back,
                settled @ (Offer::Taken | Offer::Closed) => return settled,
            }
            room.await;
        }
    }
}

impl<T> Drop for Emitter<T> {
    fn drop(&mut self) {
        self.close();
    }
}

pub(crate) enum Offer<T> {
    Taken,
    Full(T),
    Closed,
}

// === impl Hub ===

impl<T> Hub<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The only code of a user's under the lock is `clone`; if it panics, some subscribers miss that value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Queue ===

impl<T> Queue<T> {
    fn blocks(&self) -> bool {
        self.overflow == Overflow::Block && self.values.len() == self.capacity
    }

    fn push(&mut self, value: T) -> Option<T> {
        let oldest = if self.values.len() == self.capacity { self.values.pop_front() } else { None };
        self.lost += u64::from(oldest.is_some());
        self.values.push_back(value);
        oldest
    }
}

// === impl Subscriber ===

impl<T> Subscriber<T> {
    /// The next value if it is there already. `None` when nothing is, whether or not anything will be; who waits for the stream
    /// elsewhere goes on waiting.
    pub fn take_ready(&mut self) -> Option<Result<T, Lagged>> {
        match self.take(None) {
            Poll::Ready(value) => value,
            Poll::Pending => None,
        }
    }

    /// The next value, or the end. If there is neither yet, `waiting` is woken when there is.
    fn take(&mut self, waiting: Option<&Waker>) -> Poll<Option<Result<T, Lagged>>> {
        let mut state = self.hub.lock();
        let closed = state.closed;
        let queue = &mut state.queues[self.slot];
        if queue.lost > 0 {
            return Poll::Ready(Some(Err(Lagged(std::mem::take(&mut queue.lost)))));
        }
        let blocked = queue.blocks();
        match queue.values.pop_front() {
            Some(value) => {
                drop(state);
                if blocked {
                    self.hub.room.notify_waiters();
                }
                Poll::Ready(Some(Ok(value)))
            }
            None if closed => Poll::Ready(None),
            None => {
                if let Some(waiting) = waiting {
                    queue.waker = Some(waiting.clone());
                }
                Poll::Pending
            }
        }
    }
}

impl<T> Stream for Subscriber<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().take(Some(cx.waker()))
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        let queue = self.hub.lock().queues.remove(self.slot);
        drop(queue);
        self.hub.room.notify_waiters();
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("closed", &self.hub.lock().closed).finish_non_exhaustive()
    }
}
