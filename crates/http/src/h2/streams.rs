//! The tasks of a connection's streams. They end with it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::task::JoinSet;

use crate::connection::{Connection, Order};

/// Owns the tasks of one connection's streams: dropped, it drops them.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    tasks: Mutex<JoinSet<()>>,
    /// The exchange whose task comes next: hyper spawns it as soon as the service was called.
    next: Mutex<Option<Arc<Connection>>>,
}

/// Spawns streams on any thread of the runtime. It does not own them, since they own it.
#[derive(Clone, Debug)]
pub(crate) struct Anywhere(Weak<Shared>);

/// Spawns streams on this thread.
#[derive(Clone, Debug)]
pub(crate) struct Here(Weak<Shared>);

impl Streams {
    pub(crate) fn executor<E: From<Weak<Shared>>>(&self) -> E {
        Arc::downgrade(&self.shared).into()
    }

    /// The task that is spawned next moves this exchange.
    pub(crate) fn announce(&self, exchange: Arc<Connection>) {
        *lock(&self.shared.next) = Some(exchange);
    }

    /// Forgets those that have ended. Woken when another one ends.
    pub(crate) fn reap(&self, cx: &mut Context<'_>) {
        let mut tasks = lock(&self.shared.tasks);
        while let Poll::Ready(Some(ended)) = tasks.poll_join_next(cx) {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(%error, "stream task panicked");
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        lock(&self.shared.tasks).len()
    }
}

impl Clone for Streams {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl From<Weak<Shared>> for Anywhere {
    fn from(shared: Weak<Shared>) -> Self {
        Self(shared)
    }
}

impl From<Weak<Shared>> for Here {
    fn from(shared: Weak<Shared>) -> Self {
        Self(shared)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Anywhere {
    fn execute(&self, stream: F) {
        if let Some(shared) = self.0.upgrade() {
            let exchange = lock(&shared.next).take();
            lock(&shared.tasks).spawn(obedient(exchange, stream));
        }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Here {
    fn execute(&self, stream: F) {
        if let Some(shared) = self.0.upgrade() {
            let exchange = lock(&shared.next).take();
            lock(&shared.tasks).spawn_local(obedient(exchange, stream));
        }
    }
}

/// Moves `stream` until it ends or its exchange is ordered to.
async fn obedient<F: Future<Output = ()>>(exchange: Option<Arc<Connection>>, stream: F) {
    let Some(exchange) = exchange else { return stream.await };
    let mut stream = pin!(stream);
    poll_fn(|cx| {
        exchange.listen(cx.waker());
        if exchange.order() >= Order::Close { Poll::Ready(()) } else { stream.as_mut().poll(cx) }
    })
    .await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics while it is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
