//! What the pool's handles and its driver share: the machine under its lock.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ostler_scope::{Deadline, ScopeHandle, Signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, SetOnce, oneshot};
use tokio::time::Instant;

use crate::machine::{Action, Input, Machine, Mode, Order, WaiterId};
use crate::slot::{Opening, Ring, Slot};
use crate::{Event, EventKind, Factory, Generation, Key, Lease, LeaseError, Policy, PoolConfig, Resource};

/// The address of a factory's servers.
pub(crate) type AddressOf<F> = <<F as Factory>::Resource as Resource>::Address;

/// How a call is answered.
pub(crate) type Answer<F> = Result<Lease<AddressOf<F>>, LeaseError>;

pub(crate) struct Shared<F: Factory> {
    pub(crate) factory: F,
    pub(crate) config: PoolConfig,
    /// The zero of the slots' coarse clock.
    epoch: Instant,
    pub(crate) events: Signal<Event<AddressOf<F>>>,
    /// Held briefly, never across an await, and no code of the factory's runs under it.
    state: Mutex<State<F>>,
    /// Wakes the driver: there are orders, or it has set its alarm too late.
    pub(super) wake: Notify,
    /// The slots' end; the driver listens.
    bell: UnboundedSender<Ring>,
    /// Set when the pool takes no more calls and nothing of it is left.
    pub(crate) over: SetOnce<()>,
}

pub(crate) struct State<F: Factory> {
    pub(crate) machine: Machine<AddressOf<F>>,
    /// Calls that wait. The other end is in the caller's future.
    answers: HashMap<WaiterId, oneshot::Sender<Answer<F>>>,
    last_waiter: u64,
    /// For the driver.
    orders: VecDeque<Order>,
    /// For when the driver has set its alarm.
    alarm: Option<Instant>,
    /// Servers that have a scope.
    pub(crate) running: HashMap<Key, Running<F>>,
    /// Who wants to know when a server is gone.
    pub(crate) awaited: HashMap<Generation, Vec<oneshot::Sender<()>>>,
    /// The pool's drain, if there is one.
    pub(crate) drain: Option<Deadline>,
    /// How many servers have stopped since the pool takes no more calls, and what of them did not.
    pub(crate) stopped: usize,
    pub(crate) stuck: Vec<String>,
}

/// What the driver knows of a server beyond the machine.
pub(crate) struct Running<F: Factory> {
    pub(crate) generation: Generation,
    /// Weak: the scope's context has the pool, and the pool has this.
    pub(crate) scope: ScopeHandle,
    pub(crate) started_at: SystemTime,
    pub(crate) ready_at: Option<SystemTime>,
    /// Once it is ready.
    pub(super) resource: Option<Arc<F::Resource>>,
    /// Tells the server's task to drain. Taken by the first who does.
    pub(super) stop: Option<oneshot::Sender<Deadline>>,
    pub(super) max_uses: Option<NonZeroU64>,
}

impl<F: Factory> Shared<F> {
    pub(crate) fn new(config: PoolConfig, factory: F) -> (Arc<Self>, UnboundedReceiver<Ring>) {
        let (bell, rings) = mpsc::unbounded_channel();
        let state = State {
            machine: Machine::new(config.clone(), Box::new(fastrand::f64)),
            answers: HashMap::new(),
            last_waiter: 0,
            orders: VecDeque::new(),
            alarm: None,
            running: HashMap::new(),
            awaited: HashMap::new(),
            drain: None,
            stopped: 0,
            stuck: Vec::new(),
        };
        let shared = Self {
            factory,
            config,
            epoch: Instant::now(),
            events: Signal::new(),
            state: Mutex::new(state),
            wake: Notify::new(),
            bell,
            over: SetOnce::new(),
        };
        (Arc::new(shared), rings)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<F>> {
        // The machine is only ever changed by its own code; a poisoned lock means that a bug has been reported already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the machine a fact and does what it wants done.
    pub(crate) fn tell(&self, input: Input<AddressOf<F>>) {
        self.tell_locked(&mut self.lock(), input);
    }

    pub(crate) fn tell_locked(&self, state: &mut State<F>, input: Input<AddressOf<F>>) {
        let now = Instant::now();
        for action in state.machine.on(now, input) {
            match action {
                Action::Settle { waiter, outcome } => {
                    // A caller that has gone away gives the lease back by not taking it.
                    state.answers.remove(&waiter).map(|answer| answer.send(outcome));
                }
                Action::Emit { key, generation, kind } => self.emit(state, key, generation, kind),
                Action::Order(order) => state.orders.push_back(order),
            }
        }
        let next = state.machine.next_deadline();
        let too_late = next.is_some_and(|next| state.alarm.is_none_or(|alarm| next < alarm));
        if too_late || !state.orders.is_empty() {
            self.wake.notify_one();
        }
        if state.machine.mode() != Mode::Open && state.machine.is_empty() {
            self.events.close();
            let _ = self.over.set(());
        }
    }

    fn emit(
        &self,
        state: &mut State<F>,
        key: Key,
        generation: Option<Generation>,
        kind: EventKind<AddressOf<F>>,
    ) {
        tracing::debug!(%key, generation = generation.map(Generation::number), event = kind.as_str(), "pool");
        if let (EventKind::Stopped, Some(generation)) = (&kind, generation) {
            state.stopped += usize::from(state.machine.mode() != Mode::Open);
            for waiting in state.awaited.remove(&generation).unwrap_or_default() {
                let _ = waiting.send(());
            }
        }
        // Under the lock, so that observers see events in the order in which they happened.
        self.events.emit(Event { key, generation, at: SystemTime::now(), kind });
    }

    /// Enters a call; the machine will answer it.
    pub(crate) fn call(
        &self,
        key: &Key,
        deadline: Instant,
        policy: Policy,
    ) -> (WaiterId, oneshot::Receiver<Answer<F>>) {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        state.last_waiter += 1;
        let waiter = WaiterId(state.last_waiter);
        state.answers.insert(waiter, answer);
        let policy = Box::new(policy);
        self.tell_locked(&mut state, Input::Acquire { waiter, key: key.clone(), deadline, policy });
        (waiter, answered)
    }

    /// Takes a call back.
    pub(crate) fn cancel(&self, waiter: WaiterId) {
        let mut state = self.lock();
        if state.answers.remove(&waiter).is_some() {
            self.tell_locked(&mut state, Input::Cancel { waiter });
        }
    }

    /// The factory has delivered.
    pub(super) fn ready(&self, key: &Key, generation: Generation, resource: &Arc<F::Resource>) {
        let (address, pid) = (resource.address(), resource.pid());
        let mut state = self.lock();
        let Some(running) = state.running.get_mut(key).filter(|running| running.generation == generation)
        else {
            return;
        };
        running.resource = Some(Arc::clone(resource));
        running.ready_at = Some(SystemTime::now());
        let slot = Slot::open(Opening {
            key: key.clone(),
            generation,
            address,
            pid,
            max_uses: running.max_uses,
            epoch: self.epoch,
            bell: self.bell.clone(),
        });
        self.tell_locked(&mut state, Input::Ready { slot });
    }

    /// Nothing of the server's scope is left.
    pub(super) fn gone(&self, key: &Key, generation: Generation, error: Option<crate::SharedError>) {
        let running = self.lock().running.remove(key);
        // The resource is dropped here: before observers hear that it has stopped, and not under the lock.
        drop(running);
        self.tell(Input::Gone { key: key.clone(), generation, error });
    }

    /// Keeps what a teardown left behind for the account of the drain.
    pub(super) fn note_stuck(&self, stuck: Vec<String>) {
        let mut state = self.lock();
        if state.machine.mode() != Mode::Open {
            state.stuck.extend(stuck);
        }
    }

    /// Has the driver look at what is not the machine's: the drain.
    pub(crate) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Takes what there is to do, and promises to look again at the time returned.
    pub(super) fn take_orders(&self) -> (VecDeque<Order>, Option<Instant>, Option<Deadline>) {
        let mut state = self.lock();
        state.alarm = state.machine.next_deadline();
        (mem::take(&mut state.orders), state.alarm, state.drain.clone())
    }

    /// The pool's scope has ended all servers, and its driver. What the driver did not live to hear is said here.
    pub(crate) fn finish(&self) {
        self.tell(Input::Close);
        let left: Vec<_> = {
            let state = self.lock();
            state.machine.views(Instant::now()).map(|view| (view.key, view.generation)).collect()
        };
        for (key, generation) in left {
            self.gone(&key, generation, None);
        }
    }
}
