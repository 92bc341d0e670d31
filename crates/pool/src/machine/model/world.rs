//! Everything around the machine: callers, lease holders, the driver and its servers, time.

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, advance};

use super::super::{Input, Machine, WaiterId};
use super::account::{Account, Told};
use super::{Step, ms};
use crate::slot::{Opening, Ring, Slot};
use crate::{Backoff, Breaker, Generation, Key, Policy, PoolConfig, Quota, SharedError};

pub(super) const KEYS: u8 = 7;

pub(super) struct World {
    machine: Machine<u64>,
    account: Account,
    bell: UnboundedSender<Ring>,
    rings: UnboundedReceiver<Ring>,
    epoch: Instant,
    last_waiter: u64,
}

pub(super) fn config() -> PoolConfig {
    PoolConfig {
        max_servers: 3,
        max_waiting: 4,
        max_waiting_per_server: 3,
        wait_timeout: ms(40),
        max_parallel_starts: 2,
        retry_after: ms(1),
        backoff: Backoff { initial: ms(5), max: ms(20), factor: 2.0, jitter: 0.5, forgiven_after: ms(60) },
        breaker: Breaker { failures: 3, open_for: ms(50) },
        max_remembered_failures: 2,
        ..PoolConfig::default()
    }
}

/// Three keys without a quota, of which one ages and one wears out, and four that share two places.
pub(super) fn policy(key: &Key) -> Policy {
    let number: u8 = key.as_str().parse().unwrap();
    Policy {
        quota: (number >= 3).then(|| Quota::new("few", 2)),
        idle_timeout: (number != 0).then_some(ms(50)),
        start_timeout: ms(30),
        start_grace: ms(5),
        drain_timeout: ms(25),
        check_interval: (number != 1).then_some(ms(20)),
        unhealthy_after: 2,
        max_age: (number == 1).then_some(ms(100)),
        max_uses: (number == 2).then_some(3),
        ..Policy::default()
    }
}

fn key(number: u8) -> Key {
    Key::from(number.to_string())
}

fn trouble() -> SharedError {
    SharedError::from(Box::<dyn std::error::Error + Send + Sync>::from("trouble"))
}

fn pick<T: Clone>(from: &[T], nth: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(nth) % from.len()].clone())
}

impl World {
    pub(super) fn new() -> Self {
        let (bell, rings) = mpsc::unbounded_channel();
        let machine = Machine::new(config(), Box::new(|| 0.5));
        Self { machine, account: Account::default(), bell, rings, epoch: Instant::now(), last_waiter: 0 }
    }

    pub(super) async fn play(&mut self, step: Step) {
        match step {
            Step::Call { key: number, within } => self.call(key(number), within),
            Step::HangUp(nth) => {
                if let Some(waiter) = pick(&self.account.waiting(), nth) {
                    self.account.hung_up(waiter);
                    self.tell(Input::Cancel { waiter });
                }
            }
            Step::Advance(span) => self.wait(span).await,
            Step::Deliver(nth) => {
                if let Some((key, generation)) = pick(&self.account.starting(), nth) {
                    self.deliver(&key, generation);
                }
            }
            Step::FailStart(nth) => {
                if let Some((key, generation)) = pick(&self.account.starting(), nth) {
                    self.tell(Input::StartFailed { key: key.clone(), generation, error: trouble() });
                    self.account.check_told(&key);
                }
            }
            Step::Exit(nth) => {
                if let Some((key, generation)) = pick(&self.account.serving(), nth) {
                    self.account.fell(generation);
                    self.tell(Input::Exited { key, generation, error: trouble() });
                }
            }
            Step::Collapse(nth) => {
                if let Some((key, generation)) = pick(&self.account.alive(), nth) {
                    self.account.collapsed(generation);
                    self.tell(Input::Halting { key, generation });
                }
            }
            Step::EndScope(nth) => {
                if let Some((key, generation)) = pick(&self.account.ending(), nth) {
                    self.end_scope(key, generation);
                }
            }
            Step::EndCheck { nth, well } => {
                if let Some((key, generation)) = pick(&self.account.checking(), nth) {
                    self.account.checked(generation);
                    let result = if well { Ok(()) } else { Err(trouble()) };
                    self.tell(Input::Checked { key, generation, result });
                }
            }
            Step::LeaseFromSlot(nth) => self.account.lease_from_slot(nth),
            Step::Release(nth) => self.account.release(nth),
            Step::HearRing => {
                if let Ok(Ring { key, generation }) = self.rings.try_recv() {
                    self.tell(Input::Look { key, generation });
                }
            }
            Step::Shutdown { key: number } => self.tell(Input::Shutdown { key: key(number) }),
            Step::SayOldNews { nth, what } => self.say_old_news(nth, what),
            Step::Drain => {
                self.account.closing(Told::Drain);
                self.tell(Input::Drain);
            }
            Step::Close => {
                self.account.closing(Told::Close);
                self.tell(Input::Close);
            }
        }
        self.account.all_rings_heard = self.rings.is_empty();
        self.account.check(&self.machine, Instant::now());
    }

    /// The pool is closed and all teardowns finish: nothing may be left, in the account and in the machine.
    pub(super) fn end(mut self) {
        self.account.closing(Told::Close);
        self.tell(Input::Close);
        for (key, generation) in self.account.ending() {
            self.end_scope(key, generation);
        }
        self.account.check_settled();
        assert!(self.machine.is_empty(), "servers are left");
        assert_eq!(self.machine.next_deadline(), None, "an alarm is left");
        assert!(self.machine.demands.is_empty() && self.machine.waiters.is_empty(), "calls are left");
        assert_eq!((self.machine.queued_calls, self.machine.starting), (0, 0));
        assert_eq!(self.machine.lanes.names().len(), 0, "a lane is left");
    }

    fn call(&mut self, key: Key, within: u8) {
        self.last_waiter += 1;
        let (waiter, deadline) = (WaiterId(self.last_waiter), Instant::now() + ms(within));
        let policy = Box::new(policy(&key));
        self.account.called(waiter, &key, deadline);
        self.tell(Input::Acquire { waiter, key, deadline, policy });
    }

    /// Time passes, and the driver keeps its appointments.
    async fn wait(&mut self, span: u8) {
        let until = Instant::now() + ms(span);
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= until) {
            advance(due.saturating_duration_since(Instant::now())).await;
            self.tell(Input::Tick);
            let next = self.machine.next_deadline();
            assert!(next.is_none_or(|next| next > Instant::now()), "an alarm that is due was not looked at");
        }
        advance(until.saturating_duration_since(Instant::now())).await;
    }

    fn slot(&self, key: &Key, generation: Generation) -> Slot<u64> {
        Slot::open(Opening {
            key: key.clone(),
            generation,
            address: generation.number(),
            pid: None,
            max_uses: policy(key).max_uses.and_then(std::num::NonZeroU64::new),
            epoch: self.epoch,
            bell: self.bell.clone(),
        })
    }

    fn deliver(&mut self, key: &Key, generation: Generation) {
        let slot = self.slot(key, generation);
        self.account.delivered(generation, slot.clone());
        self.tell(Input::Ready { slot });
    }

    fn end_scope(&mut self, key: Key, generation: Generation) {
        self.account.scope_ended(generation);
        self.tell(Input::Gone { key, generation, error: None });
    }

    /// What comes from a generation that is gone changes nothing.
    fn say_old_news(&mut self, nth: u8, what: u8) {
        let Some((key, generation)) = pick(&self.account.gone(), nth) else { return };
        let before = format!("{:?}", self.machine);
        let error = trouble();
        let input = match what % 6 {
            0 => Input::Ready { slot: self.slot(&key, generation) },
            1 => Input::StartFailed { key, generation, error },
            2 => Input::Exited { key, generation, error },
            3 => Input::Gone { key, generation, error: Some(error) },
            4 => Input::Checked { key, generation, result: Err(error) },
            _ => Input::Look { key, generation },
        };
        let actions = self.machine.on(Instant::now(), input);
        assert!(actions.is_empty(), "old news led to {actions:?}");
        assert_eq!(before, format!("{:?}", self.machine), "old news changed the state");
    }

    fn tell(&mut self, input: Input<u64>) {
        let now = Instant::now();
        self.account.all_rings_heard = self.rings.is_empty();
        for action in self.machine.on(now, input) {
            self.account.acted(now, action);
        }
        self.account.check_turns(&self.machine, now);
    }
}
