//! What an endpoint and the task of one of its connections tell each other.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};

/// Between a connection's task and who sends requests on it. Both are on one thread: it is atomic only because wakers
/// have to be.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Of the connection's task, which is one and the same from its first poll to its last.
    task: OnceLock<Waker>,
    /// Wakes are kept back for now.
    holding: AtomicBool,
    /// One was.
    held: AtomicBool,
    /// The request sent last may be sent once more, as long as nothing of its response has come.
    repeatable: AtomicBool,
}

impl Link {
    /// Drives a connection; whatever it waits for wakes it through this link. To be awaited by a task and by nothing in
    /// between, such as a `select!` with wakers of its own.
    pub(crate) async fn drive<F: Future>(self: Arc<Self>, connection: F) -> F::Output {
        let waker = Waker::from(Arc::clone(&self));
        let mut connection = pin!(connection);
        poll_fn(|cx| {
            let task = self.task.get_or_init(|| cx.waker().clone());
            debug_assert!(task.will_wake(cx.waker()), "a connection is driven by one task");
            connection.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }

    fn wake_task(&self) {
        // Nothing can be woken that was not polled before.
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Takes a piece of the response body with `take`, and wakes the connection for it only if there is more to come.
    ///
    /// hyper wakes a connection whenever a piece is taken, so that it reads the next one. After the last piece that is
    /// a turn of its task for nothing, in every exchange. `is_last` is asked afterwards.
    pub(crate) fn taking<T, R>(
        &self,
        body: &mut T,
        take: impl FnOnce(&mut T) -> R,
        is_last: impl FnOnce(&T) -> bool,
    ) -> R {
        self.holding.store(true, Ordering::Relaxed);
        let taken = take(body);
        self.holding.store(false, Ordering::Relaxed);
        if self.held.load(Ordering::Relaxed) {
            self.held.store(false, Ordering::Relaxed);
            if !is_last(body) {
                self.wake_task();
            }
        }
        taken
    }

    /// Says whether the request that is sent next may be repeated.
    pub(crate) fn set_repeatable(&self, repeatable: bool) {
        self.repeatable.store(repeatable, Ordering::Relaxed);
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        self.repeatable.load(Ordering::Relaxed)
    }
}

impl Wake for Link {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.holding.load(Ordering::Relaxed) {
            self.held.store(true, Ordering::Relaxed);
        } else {
            self.wake_task();
        }
    }
}
