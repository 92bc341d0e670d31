//! What a running tool and the one that runs it share.

mod tell;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::poll_fn;
use futures::task::AtomicWaker;
use ostler_journal::{
    Journal, Json, OpKind, OpNumber, Origin, Outcome, SCHEMA_VERSION, Seq, SessionId, Standing, Started,
    Timestamp,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::tell::Events;
use crate::attempt::ClientTerms;
use crate::callable::Callable;
use crate::clock::Clock;
use crate::error::{ContextError, Failure};
use crate::event::SessionEvent;
use crate::testing::Effects;
use crate::watch::Watched;
use crate::{Attempt, Resume, ToolResult};

/// What is shared by the contexts of one session and its driver.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) callable: Arc<Callable>,
    pub(crate) clock: Clock,
    pub(crate) arguments: Json,
    /// Where its steps are counted, in tests.
    pub(crate) effects: Effects,
    /// The tool wants to be polled.
    woken: AtomicBool,
    /// Who polls the driver.
    driver: AtomicWaker,
    /// Whether it waits for answers: nothing that it awaits can have come by itself then.
    parked: AtomicBool,
    /// Whether something has woken it all the same.
    woken_by_others: AtomicBool,
    cell: Mutex<Cell>,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Made when the tool first awaits something. A call that never does needs none.
    journal: Option<Box<Journal>>,
    pub(crate) beginning: Beginning,
    /// Who waits for an operation, by its number.
    wakers: Vec<Option<Waker>>,
    /// Who waits for something to be durable.
    barriers: Vec<Waker>,
    pub(crate) attempt: Attempt,
    /// The step whose code is polled.
    step: Option<OpNumber>,
    /// Operations that are at work, so that the session cannot be parked.
    pub(crate) at_work: usize,
    /// Somebody waits for the journal to be written.
    pub(crate) write_wanted: bool,
    /// Why the session cannot go on.
    pub(crate) failure: Option<Failure>,
    /// The attempt is over: what is at work is finished, and nothing new begins.
    pub(crate) winding_down: bool,
    /// What somebody outside wants it to end with.
    pub(crate) interrupt: Option<Failure>,
    /// Answers that came before their questions.
    pub(crate) early: HashMap<String, Json>,
    events: Events,
    /// Where its events go too, once somebody has watched it.
    watched: Option<Arc<Watched>>,
    cancelled: Option<CancellationToken>,
}

/// How a session begins, if it comes to that.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) session: Option<SessionId>,
    pub(crate) seed: u64,
    pub(crate) started: Timestamp,
    pub(crate) ttl: Duration,
    pub(crate) expires: Timestamp,
    /// Where a call came from that goes on without its request: what it tells is kept in its journal.
    pub(crate) origin: Option<Origin>,
    /// How many things it may tell.
    pub(crate) max_events: usize,
    /// What there will be of it when it has waited.
    pub(crate) resume: Resume,
}

impl Core {
    pub(crate) fn new(
        callable: Arc<Callable>,
        arguments: Json,
        clock: Clock,
        effects: Effects,
        beginning: Beginning,
        attempt: Attempt,
    ) -> Self {
        let cell = Cell {
            journal: None,
            beginning,
            wakers: Vec::new(),
            barriers: Vec::new(),
            attempt,
            step: None,
            at_work: 0,
            write_wanted: false,
            failure: None,
            winding_down: false,
            interrupt: None,
            early: HashMap::new(),
            events: Events::default(),
            watched: None,
            cancelled: None,
        };
        Self {
            callable,
            clock,
            arguments,
            effects,
            woken: AtomicBool::new(false),
            driver: AtomicWaker::new(),
            parked: AtomicBool::new(false),
            woken_by_others: AtomicBool::new(false),
            cell: Mutex::new(cell),
        }
    }

    pub(crate) fn resumed(self, journal: Journal, watched: Option<Arc<Watched>>) -> Self {
        {
            let mut cell = self.cell();
            cell.journal = Some(Box::new(journal));
            cell.events.last = watched.as_ref().map_or(0, |watched| watched.last());
            cell.watched = watched;
        }
        self
    }

    /// Has its events watched from now on.
    pub(crate) fn watch(&self) -> Arc<Watched> {
        let mut cell = self.cell();
        let Events { last, kept, dropped } = &cell.events;
        let watched = Watched::new(kept.clone(), *last, *dropped);
        cell.watched = Some(Arc::clone(&watched));
        watched
    }

    pub(crate) fn cell(&self) -> MutexGuard<'_, Cell> {
        // A tool that panics does so outside of the lock.
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's journal, which begins here if it has not.
    pub(crate) fn journal<T>(&self, work: impl FnOnce(&mut Journal) -> T) -> T {
        let mut cell = self.cell();
        if cell.journal.is_none() {
            let journal = self.begin(&mut cell);
            cell.journal = Some(Box::new(journal));
        }
        work(cell.journal.as_mut().expect("it has been begun above"))
    }

    fn begin(&self, cell: &mut Cell) -> Journal {
        let principal = Arc::clone(&cell.attempt.principal);
        let client = Json::of(&ClientTerms::of(&cell.attempt)).expect("it has a form in JSON");
        let beginning = &mut cell.beginning;
        beginning.started = self.clock.now();
        beginning.expires = beginning.started.after(beginning.ttl);
        beginning.seed = Uuid::new_v4().as_u64_pair().0;
        let session = *beginning.session.get_or_insert_with(SessionId::unique);
        let started = Started {
            schema: SCHEMA_VERSION,
            tool: Arc::clone(&self.callable.id),
            version: self.callable.version,
            arguments: self.arguments.clone(),
            digest: self.callable.digest(&self.arguments),
            principal,
            client,
            seed: beginning.seed,
            at: beginning.started,
            expires: beginning.expires,
            origin: beginning.origin.clone(),
        };
        Journal::begin(session, started)
    }

    /// The session's journal, if it has begun.
    pub(crate) fn begun<T>(&self, work: impl FnOnce(&mut Journal) -> T) -> Option<T> {
        self.cell().journal.as_deref_mut().map(work)
    }

    /// Whether there is a store for `what`, which cannot do without.
    pub(crate) fn needs_store(&self, what: &'static str) -> Result<(), ContextError> {
        match self.cell().beginning.resume {
            Resume::Journal => Ok(()),
            Resume::Sealed => Err(ContextError::NeedsStore { what }),
        }
    }

    /// Wakes whoever waits for `number`.
    pub(crate) fn wake(&self, number: OpNumber) {
        let waker = self.cell().wakers.get_mut(number.index()).and_then(Option::take);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes all who wait for operations: what they may do has changed.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<_> = self.cell().wakers.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes all who wait for something to be durable.
    pub(crate) fn wake_barriers(&self) {
        let wakers = std::mem::take(&mut self.cell().barriers);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn cancellation(&self) -> CancellationToken {
        self.cell().cancelled.get_or_insert_with(CancellationToken::new).clone()
    }

    /// Tells the tool that it is over.
    pub(crate) fn cancel(&self) {
        let token = self.cell().cancelled.clone();
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Has the driver end the session with `failure`.
    pub(crate) fn interrupt(&self, failure: Failure) {
        self.cell().interrupt = Some(failure);
        self.driver.wake();
    }

    /// Has the driver look for what has changed.
    pub(crate) fn nudge(&self) {
        self.driver.wake();
    }

    /// Goes on for `attempt`, which hears first what nobody has heard.
    pub(crate) fn rebind(&self, attempt: Attempt) {
        {
            let mut cell = self.cell();
            if let Some(events) = &attempt.events {
                cell.events.tell(events);
            }
            cell.attempt = attempt;
            cell.winding_down = false;
        }
        self.wake_all();
    }

    /// The attempt is over: what is at work is finished, and nothing new begins.
    pub(crate) fn wind_down(&self) {
        let mut cell = self.cell();
        cell.winding_down = true;
        cell.attempt.events = None;
    }

    /// The one who polls the driver is woken when anything happens.
    pub(crate) fn driven_by(&self, cx: &Context<'_>) {
        self.driver.register(cx.waker());
    }

    /// Whether the tool wants to be polled. It is, after that.
    pub(crate) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn set_woken(&self) {
        self.woken.store(true, Ordering::Release);
    }

    /// Drops all wakers: they hold the core that holds them.
    pub(crate) fn clear_wakers(&self) {
        let mut cell = self.cell();
        let dropped = (std::mem::take(&mut cell.wakers), std::mem::take(&mut cell.barriers));
        drop(cell);
        drop(dropped);
    }

    fn wait_for(&self, number: OpNumber, cx: &Context<'_>) {
        let wakers = &mut self.cell().wakers;
        if wakers.len() <= number.index() {
            wakers.resize(number.index() + 1, None);
        }
        match &mut wakers[number.index()] {
            Some(waker) => waker.clone_from(cx.waker()),
            none @ None => *none = Some(cx.waker().clone()),
        }
    }

    /// Polls `code`, which is that of the step `number`: what it tells meanwhile the step tells.
    pub(crate) async fn within<F: Future>(&self, number: OpNumber, code: F) -> F::Output {
        let mut code = pin!(code);
        poll_fn(|cx| {
            let around = self.cell().step.replace(number);
            let polled = code.as_mut().poll(cx);
            self.cell().step = around;
            polled
        })
        .await
    }

    /// Waits until everything before `place` is durable.
    pub(crate) async fn durable(&self, place: Seq) {
        poll_fn(|cx| {
            if self.journal(|journal| journal.is_durable(place)) {
                return Poll::Ready(());
            }
            let mut cell = self.cell();
            cell.write_wanted = true;
            cell.barriers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Being parked.
impl Core {
    /// Nobody polls the tool from now on.
    pub(crate) fn park(&self) {
        self.parked.store(true, Ordering::Release);
    }

    /// Somebody is about to poll it, or drops it. Whether something that is not its context's wanted that while it was parked.
    pub(crate) fn unpark(&self) -> bool {
        self.parked.store(false, Ordering::Release);
        self.woken_by_others.swap(false, Ordering::AcqRel)
    }

    /// A timer, a channel, a socket: the tool would have gone on, and cannot before it is answered.
    fn note_foreign_wake(&self) {
        if self.woken_by_others.swap(true, Ordering::AcqRel) {
            return;
        }
        let session = self.cell().journal.as_ref().map(|journal| journal.session().to_string());
        tracing::error!(
            tool = %self.callable.name,
            session,
            "a tool that waits for answers was woken by something that is not its context's, and is not polled for it: \
             await timers with `ctx.sleep` or `ctx.deadline`, and anything else in a step"
        );
    }
}

impl Wake for Core {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.parked.load(Ordering::Acquire) {
            self.note_foreign_wake();
        }
        self.set_woken();
        self.driver.wake();
    }
}

impl Cell {
    /// How much memory the session holds besides its handler's state, roughly.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + self.journal.as_ref().map_or(0, |journal| journal.size())
            + self.events.kept.len() * size_of::<SessionEvent>()
    }

    /// Gives back memory that a parked session has no use for.
    pub(crate) fn shrink(&mut self) {
        self.barriers = Vec::new();
        self.wakers.shrink_to_fit();
        self.early = HashMap::new();
        if let Some(journal) = &mut self.journal {
            journal.shrink();
        }
    }
}

/// An operation that is at work, until this is dropped.
pub(crate) struct AtWork<'c>(&'c Core);

impl<'c> AtWork<'c> {
    pub(crate) fn begin(core: &'c Core) -> Self {
        core.cell().at_work += 1;
        Self(core)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.cell().at_work -= 1;
    }
}

/// An operation that the tool has come to, until its outcome is taken or it is dropped.
pub(crate) struct Operation<'c> {
    pub(crate) core: &'c Core,
    pub(crate) number: OpNumber,
    taken: bool,
}

impl<'c> Operation<'c> {
    pub(crate) fn new(core: &'c Core, path: &Arc<str>, kind: OpKind, name: &Arc<str>) -> ToolResult<Self> {
        let number = core
            .journal(|journal| journal.register(path, kind, Arc::clone(name)))
            .map_err(ContextError::from)?;
        Ok(Self { core, number, taken: false })
    }

    /// Whether it may start, once that is decided.
    pub(crate) async fn standing(&self) -> Standing {
        poll_fn(|cx| match self.now() {
            settled @ Standing::Settled => Poll::Ready(settled),
            decided @ (Standing::Fresh | Standing::Begun { .. }) if !self.core.cell().winding_down => {
                Poll::Ready(decided)
            }
            Standing::Held | Standing::Fresh | Standing::Begun { .. } => {
                self.core.wait_for(self.number, cx);
                Poll::Pending
            }
        })
        .await
    }

    pub(crate) fn now(&self) -> Standing {
        self.core.journal(|journal| journal.standing(self.number))
    }

    pub(crate) fn complete(&self, outcome: Outcome) {
        self.core.journal(|journal| journal.complete(self.number, outcome));
    }

    /// What came of it.
    pub(crate) async fn outcome(mut self) -> Outcome {
        poll_fn(|cx| match self.core.journal(|journal| journal.take(self.number)) {
            Some(outcome) => {
                self.taken = true;
                Poll::Ready(outcome)
            }
            None => {
                self.core.wait_for(self.number, cx);
                Poll::Pending
            }
        })
        .await
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.core.journal(|journal| journal.forget(self.number));
        }
    }
}
