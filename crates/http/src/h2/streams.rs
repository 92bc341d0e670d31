//! The tasks of a connection's streams. They end with it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::task::JoinSet;

use super::ledger::Ledger;
use crate::EventKind;
use crate::connection::Connection;
use crate::h1::message;
use crate::phase::{Order, Phase};

/// Owns the tasks of one connection's streams: dropped, it drops them.
#[derive(Debug)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    ledger: Ledger,
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
    pub(crate) fn new(ledger: Ledger) -> Self {
        let (tasks, next) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { ledger, tasks, next }) }
    }

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
        while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
    }

    /// Drops those that are left, and waits until they are.
    pub(crate) async fn end(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
        tasks.shutdown().await;
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
            lock(&shared.tasks).spawn(obedient(exchange, shared.ledger.clone(), stream));
        }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Here {
    fn execute(&self, stream: F) {
        if let Some(shared) = self.0.upgrade() {
            let exchange = lock(&shared.next).take();
            lock(&shared.tasks).spawn_local(obedient(exchange, shared.ledger.clone(), stream));
        }
    }
}

/// Moves `stream` until it ends or its exchange is ordered to, and tells why if nobody else does.
async fn obedient<F: Future<Output = ()>>(exchange: Option<Arc<Connection>>, ledger: Ledger, stream: F) {
    // What carries an exchange that was upgraded has no entry of its own.
    let Some(exchange) = exchange else { return stream.await };
    follow(&exchange, stream).await;
    if exchange.phase() == Phase::Upgraded && !exchange.is_upgraded() {
        // Nobody has taken it over.
        exchange.end(EventKind::UpgradeFailed);
    }
    let unanswered = exchange.phase() == Phase::Handler && exchange.order() < Order::Close;
    if unanswered && !ledger.is_over() {
        // It was taken back.
        exchange.end(EventKind::ClientDisconnected { phase: Phase::Handler });
    }
}

async fn follow<F: Future<Output = ()>>(exchange: &Connection, stream: F) {
    let mut stream = pin!(stream);
    poll_fn(|cx| {
        exchange.listen(cx.waker());
        if exchange.order() >= Order::Close {
            if let Some(overdue) = exchange.overdue().event() {
                exchange.end(overdue);
            }
            return Poll::Ready(());
        }
        catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll(cx))).unwrap_or_else(|panic| {
            exchange.end(EventKind::HandlerPanicked { message: message(&*panic) });
            Poll::Ready(())
        })
    })
    .await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics while it is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
