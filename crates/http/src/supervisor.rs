//! A server from its first accept to the end of its drain.

use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ostler_net::{Address, Listener};
use ostler_scope::Deadline;
use tokio::sync::{OnceCell, SetOnce};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::accept::Acceptor;
use crate::drain::{Cut, State};
use crate::phase::{Order, Phase};
use crate::table::{Census, Table};
use crate::worker::LAST_CHANCE;
use crate::{Drain, EventKind, Observer, Remaining, ServerConfig};

/// How long connections that were reset may take to end.
pub(crate) const REAPING: Duration = Duration::from_secs(1);

/// How long what is open waits for those who are queued: a moment as a rule.
const CLOSING: Duration = Duration::from_millis(100);

/// What everybody who has to do with a server shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) census: Arc<Census>,
    /// One share per thread.
    pub(crate) tables: Vec<Arc<Table>>,
    /// A [`State`].
    state: AtomicU8,
    /// Cancelled to stop accepting.
    closing: CancellationToken,
    /// Cancelled when the listener is closed.
    pub(crate) closed: CancellationToken,
    /// Cancelled to tell handlers that the server drains.
    draining: CancellationToken,
    /// Cancelled when what accepts or serves is gone before its time.
    failed: CancellationToken,
    /// Fires when the scope that it lives in halts.
    pub(crate) halting: OnceLock<CancellationToken>,
    /// When that scope has no time left.
    pub(crate) end: SetOnce<Deadline>,
    /// Cancelled when all is over.
    pub(crate) stopped: CancellationToken,
    /// The first drain's result, for whoever asks again.
    pub(crate) drained: OnceCell<Drain>,
    /// When the drain began: one that is taken up again goes on from there.
    begun: OnceLock<Instant>,
    /// Live, so that a later call can shorten the first one's deadline.
    deadline: OnceLock<Deadline>,
    /// The earliest deadline that left time when a call came with it. A drain that ends earlier than that was forced.
    planned: Mutex<Option<Instant>>,
    /// Set when the deadline passes: a drain that is taken up again has to tell of what was cut before.
    passed: OnceLock<Passed>,
}

/// How things stood when a drain's deadline passed.
#[derive(Debug)]
struct Passed {
    remaining: Remaining,
    /// How many connections there had been. Those still queued come after this, to be reset.
    entered: u64,
    forced: bool,
}

impl Shared {
    pub(crate) fn new(
        listener: Listener,
        config: ServerConfig,
        shares: usize,
        observer: Arc<dyn Observer>,
    ) -> (Arc<Self>, Acceptor) {
        let (config, census) = (Arc::new(config), Arc::new(Census::default()));
        let (closing, draining) = (CancellationToken::new(), CancellationToken::new());
        let table = |share| Table::new(share, Arc::clone(&config), draining.clone(), Arc::clone(&observer));
        let shared = Arc::new(Self {
            address: listener.address().clone(),
            tables: (0..shares).map(table).collect(),
            config: Arc::clone(&config),
            census: Arc::clone(&census),
            state: AtomicU8::new(State::Running as u8),
            closing: closing.clone(),
            closed: CancellationToken::new(),
            draining: draining.clone(),
            failed: CancellationToken::new(),
            halting: OnceLock::new(),
            end: SetOnce::new(),
            stopped: CancellationToken::new(),
            drained: OnceCell::new(),
            begun: OnceLock::new(),
            deadline: OnceLock::new(),
            planned: Mutex::new(None),
            passed: OnceLock::new(),
        });
        let acceptor = Acceptor::new(listener, census, &config, closing, observer);
        (shared, acceptor)
    }

    pub(crate) fn state(&self) -> State {
        State::from_number(self.state.load(Ordering::Acquire))
    }

    pub(crate) fn served(&self) -> u64 {
        self.tables.iter().map(|table| table.served()).sum()
    }

    pub(crate) fn phases(&self) -> Remaining {
        let mut remaining = Remaining::default();
        for table in &self.tables {
            table.count_phases(&mut remaining.0);
        }
        remaining
    }

    /// Stops accepting, and lets every connection end with its next response.
    pub(crate) async fn retire(&self) {
        self.closing.cancel();
        self.give_all(Order::Retire);
        self.closed_or_failed().await;
    }

    /// Drains, or joins the drain under way, which `deadline` can only shorten.
    pub(crate) async fn join_drain(&self, deadline: Deadline) -> Drain {
        let asked = deadline.instant();
        if asked > Instant::now() {
            let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
            *planned = Some(planned.map_or(asked, |planned| planned.min(asked)));
        }
        let first = self.deadline.get_or_init(|| deadline.clone());
        first.shorten(asked);
        let following = async {
            // The caller's deadline may itself be shortened while we wait.
            deadline.expired().await;
            first.shorten(Instant::now());
            std::future::pending().await
        };
        let drain = tokio::select! {
            drain = self.drained.get_or_init(|| self.drain(first)) => drain.clone(),
            never = following => never,
        };
        self.stopped.cancel();
        drain
    }

    /// The way from running to stopped. Taken up again, it goes on from where it was.
    async fn drain(&self, deadline: &Deadline) -> Drain {
        let begun = *self.begun.get_or_init(Instant::now);
        // One that has retired has told everybody already.
        if !self.config.lame_duck.is_zero() && !self.closing.is_cancelled() {
            self.go_on_to(State::LameDuck);
            self.give_all(Order::LameDuck);
            tokio::select! {
                () = sleep_until(begun + self.config.lame_duck) => {}
                () = deadline.expired() => {}
                () = self.failed.cancelled() => {}
            }
        }
        self.go_on_to(State::Closing);
        self.closing.cancel();
        // A timer rounds up to the next millisecond, in which the queue would be served.
        if deadline.is_expired() {
            return self.abort(begun, deadline).await;
        }
        // Biased, here and below: what is over by the deadline has not been cut.
        tokio::select! {
            biased;
            () = self.closed_or_failed() => {}
            () = deadline.expired() => return self.abort(begun, deadline).await,
            // What keeps the queue from being emptied keeps nobody from finishing, who may be what it waits for.
            () = sleep(CLOSING) => {}
        }
        self.go_on_to(State::Draining);
        self.draining.cancel();
        self.give_all(Order::Finish);
        if self.passed.get().is_some() {
            return self.abort(begun, deadline).await;
        }
        let finishing = async {
            self.closed_or_failed().await;
            self.census.empty().await;
        };
        tokio::select! {
            biased;
            () = finishing => {}
            () = deadline.expired() => return self.abort(begun, deadline).await,
        }
        if self.passed.get().is_some() {
            // They were cut before we woke.
            return self.abort(begun, deadline).await;
        }
        self.go_on_to(State::Stopped);
        self.drained(begun)
    }

    /// Nothing is accepted any more.
    async fn closed_or_failed(&self) {
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = self.failed.cancelled() => {}
        }
    }

    /// The result when nothing was cut.
    fn drained(&self, begun: Instant) -> Drain {
        match self.failed.is_cancelled() {
            true => Drain::SupervisorFailed,
            false => Drain::Drained {
                served: self.served(),
                dropped_pipelined: self.tables.iter().map(|table| table.dropped_pipelined()).sum(),
                elapsed: begun.elapsed(),
            },
        }
    }

    /// Resets what is left, and what is still queued.
    async fn abort(&self, begun: Instant, deadline: &Deadline) -> Drain {
        self.go_on_to(State::Aborting);
        let passed = self.pass(deadline);
        self.draining.cancel();
        self.give_all(Order::Abort);
        self.reap(begun, passed, REAPING).await
    }

    /// The result of a drain that was given up before it had one, or the one that it had.
    pub(crate) async fn sum_up(&self) -> Drain {
        if let Some(drain) = self.drained.get() {
            return drain.clone();
        }
        let passed = self.cut_short();
        let begun = *self.begun.get_or_init(Instant::now);
        let drain = self.reap(begun, passed, LAST_CHANCE).await;
        self.drained.get_or_init(async || drain).await.clone()
    }

    /// Waits for what was reset to be gone, and says what came of it.
    async fn reap(&self, begun: Instant, passed: &Passed, patience: Duration) -> Drain {
        self.go_on_to(State::Reaping);
        let reaping = async {
            self.closed_or_failed().await;
            self.census.empty().await;
        };
        // Where it is not over in time `stuck` tells.
        tokio::select! {
            biased;
            () = reaping => {}
            () = sleep(patience) => {}
            () = self.given_up() => {}
        }
        let stuck = self.census.open();
        // Those that wait for a thread that never took them.
        let unseen = stuck.saturating_sub(self.phases().total());
        let late = usize::try_from(self.entered() - passed.entered).unwrap_or(usize::MAX);
        let mut remaining = passed.remaining.clone();
        if late + unseen > 0 {
            *remaining.0.entry(Phase::Idle).or_default() += late + unseen;
        }
        if remaining.total() > 0
            && let Some(table) = self.tables.first()
        {
            table.tell_of_none(None, EventKind::ShutdownTimedOut { remaining: remaining.clone() });
        }
        self.go_on_to(State::Stopped);
        let cut = Cut { aborted: remaining.total().saturating_sub(stuck), remaining, stuck };
        match (self.failed.is_cancelled(), passed.forced) {
            _ if cut.remaining.total() == 0 => self.drained(begun),
            (true, _) => Drain::SupervisorFailed,
            (false, true) => Drain::Forced(cut),
            (false, false) => Drain::TimedOut(cut),
        }
    }

    /// Nobody waits for a result for much longer.
    async fn given_up(&self) {
        self.end.wait().await.expired().await;
        sleep(LAST_CHANCE).await;
    }

    /// How things stood when `deadline` passed, which it has by now.
    fn pass(&self, deadline: &Deadline) -> &Passed {
        self.passed.get_or_init(|| {
            let planned = *self.planned.lock().unwrap_or_else(PoisonError::into_inner);
            Passed {
                entered: self.entered(),
                remaining: self.phases(),
                forced: planned.is_none_or(|planned| deadline.instant() < planned),
            }
        })
    }

    /// What serves is about to be dropped since its scope is out of time, which the drain has not noticed yet, or not even
    /// begun. What is left is counted now: by the time the drain wakes there is nothing.
    fn cut_short(&self) -> &Passed {
        let deadline = self.deadline.get_or_init(|| Deadline::at(Instant::now()));
        deadline.shorten(Instant::now());
        let passed = self.pass(deadline);
        self.go_on_to(State::Aborting);
        self.closing.cancel();
        self.draining.cancel();
        self.give_all(Order::Abort);
        for table in &self.tables {
            table.tell_of_aborts();
        }
        passed
    }

    /// How many connections there have been.
    fn entered(&self) -> u64 {
        self.tables.iter().map(|table| table.entered()).sum()
    }

    fn go_on_to(&self, state: State) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
    }

    fn give_all(&self, order: Order) {
        for table in &self.tables {
            table.give_all(order);
        }
    }
}

/// Notices when what accepts or serves is dropped before it has ended.
#[derive(Debug)]
pub(crate) struct Alive {
    shared: Arc<Shared>,
    dropped: Dropped,
    ended: bool,
}

/// Why something is dropped before it has ended, unless it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    /// The server's own scope gives it up, which it does when its time is up and not before.
    OutOfTime,
    /// Its thread ends: also because time is up, but it may as well end under a server that has not been asked to.
    WithItsThread,
}

impl Alive {
    /// For what the server's own scope runs.
    pub(crate) fn in_scope(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), dropped: Dropped::OutOfTime, ended: false }
    }

    /// For what runs on a worker's thread.
    pub(crate) fn on_thread(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), dropped: Dropped::WithItsThread, ended: false }
    }

    /// Watches over `serving`.
    pub(crate) async fn during(self, serving: impl Future<Output = ()>) {
        let mut serving = pin!(serving);
        // Behind it, so dropped before it: the connections that go with it are still there to be counted.
        let mut alive = self;
        serving.as_mut().await;
        alive.ended = true;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if self.ended || self.shared.state() == State::Stopped {
            return;
        }
        let out_of_time = match self.dropped {
            Dropped::OutOfTime => true,
            Dropped::WithItsThread => {
                // The drain of a halting scope may not have begun when the thread's last chance is over.
                let is_halting = self.shared.halting.get().is_some_and(CancellationToken::is_cancelled);
                is_halting || self.shared.deadline.get().is_some_and(Deadline::is_expired)
            }
        };
        match out_of_time && !std::thread::panicking() {
            true => drop(self.shared.cut_short()),
            false => self.shared.failed.cancel(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Discard;

    /// A server of which nothing runs.
    async fn server() -> (Arc<Shared>, Acceptor) {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        Shared::new(listener, ServerConfig::default(), 1, Arc::new(Discard))
    }

    /// What a drain comes to when a thread that serves one request is gone before it has begun.
    async fn lost_with_its_thread(halting: bool) -> Drain {
        let (shared, acceptor) = server().await;
        let token = CancellationToken::new();
        shared.halting.set(token.clone()).unwrap();
        let connection = shared.tables[0].enter(None, shared.census.admit(1).unwrap());
        connection.set_phase(Phase::Handler);
        let serving = Alive::on_thread(&shared).during(async move {
            std::future::pending::<()>().await;
            drop((connection, acceptor));
        });
        let mut serving = Box::pin(serving);
        assert!(futures::poll!(serving.as_mut()).is_pending());
        if halting {
            token.cancel();
        }
        drop(serving);
        shared.join_drain(Deadline::at(Instant::now())).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_thread_takes_with_it_is_counted_if_the_scope_halts_though_no_drain_has_begun() {
        let remaining = Remaining([(Phase::Handler, 1)].into());
        let cut = Cut { remaining, aborted: 1, stuck: 0 };
        assert_eq!(lost_with_its_thread(true).await, Drain::Forced(cut));
        assert_eq!(lost_with_its_thread(false).await, Drain::SupervisorFailed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_not_emptied_keeps_nobody_from_finishing() {
        let (shared, _acceptor) = server().await;
        let connection = shared.tables[0].enter(None, shared.census.admit(1).unwrap());
        let serving = async {
            while connection.order() < Order::Finish {
                sleep_until(Instant::now() + Duration::from_millis(1)).await;
            }
            assert_eq!(connection.order(), Order::Finish);
            drop(connection);
            shared.closed.cancel();
        };
        let (drain, ()) = tokio::join!(shared.join_drain(Deadline::after(Duration::from_secs(60))), serving);
        assert!(matches!(drain, Drain::Drained { .. }), "{drain}");
    }
}
