//! Servers that start, fail, sicken, drain and crash when a test says so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use ostler_pool::{
    Event, EventKind, Factory, Key, Lease, LeaseError, Policy, Pool, PoolConfig, Resource, Start,
};
use ostler_scope::{BoxError, Deadline, Scope, Subscriber};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub type FakePool = Pool<Stable>;

/// Long enough for whatever a test waits for on the paused clock.
pub const LONG: Duration = Duration::from_secs(3600);

/// A pool of fake servers, and the hand that moves them.
pub struct Stage {
    pub scope: Scope,
    pub pool: FakePool,
    pub events: Subscriber<Event<u64>>,
    starts: mpsc::UnboundedReceiver<Backstage>,
    /// Resources that have not been dropped.
    pub alive: Arc<AtomicUsize>,
}

type Rules = Box<dyn Fn(&Key) -> Policy + Send + Sync>;

pub struct Stable {
    rules: Rules,
    starts: Option<mpsc::UnboundedSender<Backstage>>,
    pub alive: Arc<AtomicUsize>,
    pub started: AtomicUsize,
}

/// The hand on one server.
pub struct Backstage {
    pub start: Start,
    opened: oneshot::Sender<Result<(), BoxError>>,
    pub hand: Hand,
}

#[derive(Clone)]
pub struct Hand {
    crash: Arc<Mutex<Option<oneshot::Sender<BoxError>>>>,
    pub health: Arc<Mutex<Health>>,
    /// While set, draining waits for `drained`.
    pub hold_drain: Arc<AtomicBool>,
    pub drained: Arc<Notify>,
    pub drains: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
pub enum Health {
    Well,
    Sick,
    Silent,
    Panicking,
}

pub struct Horse {
    generation: u64,
    exit: Mutex<Option<oneshot::Receiver<BoxError>>>,
    hand: Hand,
    alive: Arc<AtomicUsize>,
}

impl Stage {
    /// A pool whose servers start when the test takes and opens them.
    pub fn new(config: PoolConfig, policy: Policy) -> Self {
        Self::with_rules(config, move |_| policy.clone())
    }

    pub fn with_rules(config: PoolConfig, rules: impl Fn(&Key) -> Policy + Send + Sync + 'static) -> Self {
        let scope = Scope::root("test").open().unwrap();
        let (send, starts) = mpsc::unbounded_channel();
        let alive = Arc::new(AtomicUsize::new(0));
        let stable = Stable {
            rules: Box::new(rules),
            starts: Some(send),
            alive: Arc::clone(&alive),
            started: AtomicUsize::new(0),
        };
        let pool = Pool::start(&scope, config, stable).unwrap();
        let events = pool.events(1024);
        Self { scope, pool, events, starts, alive }
    }

    /// The next server that is being started.
    pub async fn starting(&mut self) -> Backstage {
        self.starts.recv().await.expect("the pool has its factory")
    }

    /// Nothing is being started, also after everybody has had time to.
    pub async fn nothing_starts(&mut self) {
        settle().await;
        assert!(self.starts.try_recv().is_err(), "something was started");
    }

    /// Calls, in a task, with a deadline far away.
    pub fn call(&self, key: &str) -> JoinHandle<Result<Lease<u64>, LeaseError>> {
        self.call_within(key, LONG)
    }

    pub fn call_within(&self, key: &str, within: Duration) -> JoinHandle<Result<Lease<u64>, LeaseError>> {
        let (pool, key) = (self.pool.clone(), Key::from(key));
        tokio::spawn(async move { pool.get_or_create(&key, Instant::now() + within).await })
    }

    /// Calls, and opens the server that this starts.
    pub async fn ready(&mut self, key: &str) -> (Lease<u64>, Hand) {
        let call = self.call(key);
        let backstage = self.starting().await;
        assert_eq!(backstage.start.key.as_str(), key);
        let hand = backstage.open();
        (call.await.unwrap().unwrap(), hand)
    }

    /// The next event, as `key#generation kind`.
    pub async fn event(&mut self) -> String {
        tell(&self.events.next().await.expect("the events go on").expect("nothing is lost"))
    }

    /// Skips to the next event of that kind.
    pub async fn until(&mut self, kind: &str) -> Event<u64> {
        loop {
            let event = self.events.next().await.expect("the events go on").expect("nothing is lost");
            if event.kind.as_str() == kind {
                return event;
            }
        }
    }

    /// Everything until the events end.
    pub async fn last_events(self) -> Vec<String> {
        self.events.map(|event| tell(&event.expect("nothing is lost"))).collect().await
    }

    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }
}

pub fn tell(event: &Event<u64>) -> String {
    let generation = event.generation.map_or_else(String::new, |generation| format!("#{generation}"));
    let detail = match &event.kind {
        EventKind::Started | EventKind::Stopped => String::new(),
        EventKind::Ready { address } => format!(" at {address}"),
        EventKind::Evicted { cause } => format!(": {cause}"),
        EventKind::Failed { error } | EventKind::Unhealthy { error } => format!(": {error}"),
        EventKind::LimitReached { quota } => {
            quota.as_ref().map_or_else(String::new, |quota| format!(" of {quota}"))
        }
    };
    format!("{}{generation} {}{detail}", event.key, event.kind.as_str())
}

/// Lets every task that can run do so, without time passing.
pub async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

impl Backstage {
    /// The start succeeds.
    pub fn open(self) -> Hand {
        let _ = self.opened.send(Ok(()));
        self.hand
    }

    /// The start fails.
    pub fn fail(self, error: &str) {
        let _ = self.opened.send(Err(error.into()));
    }

    /// What opens it, for a start that has to end while it is looked at.
    pub fn parts(self) -> (Start, oneshot::Sender<Result<(), BoxError>>) {
        (self.start, self.opened)
    }
}

impl Hand {
    fn new(crash: oneshot::Sender<BoxError>) -> Self {
        Self {
            crash: Arc::new(Mutex::new(Some(crash))),
            health: Arc::new(Mutex::new(Health::Well)),
            hold_drain: Arc::default(),
            drained: Arc::default(),
            drains: Arc::default(),
        }
    }

    pub fn crash(&self, error: &str) {
        let crash = self.crash.lock().unwrap().take().expect("a server crashes once");
        let _ = crash.send(error.into());
    }

    pub fn is(&self, health: Health) {
        *self.health.lock().unwrap() = health;
    }
}

impl Stable {
    /// Starts without asking anybody.
    pub fn eager(policy: Policy) -> Self {
        let rules: Rules = Box::new(move |_| policy.clone());
        Self { rules, starts: None, alive: Arc::default(), started: AtomicUsize::new(0) }
    }
}

impl Factory for Stable {
    type Resource = Horse;

    fn policy(&self, key: &Key) -> Policy {
        (self.rules)(key)
    }

    async fn start(&self, start: Start) -> Result<Horse, BoxError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let (crash, exit) = oneshot::channel();
        let hand = Hand::new(crash);
        let generation = start.generation.number();
        if let Some(starts) = &self.starts {
            let (opened, answer) = oneshot::channel();
            starts.send(Backstage { start, opened, hand: hand.clone() })?;
            match answer.await {
                Ok(answer) => answer?,
                Err(_) => panic!("the test dropped the start"),
            }
        }
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Horse { generation, exit: Mutex::new(Some(exit)), hand, alive: Arc::clone(&self.alive) })
    }
}

impl Resource for Horse {
    type Address = u64;

    fn address(&self) -> u64 {
        self.generation
    }

    async fn exited(&self) -> BoxError {
        let exit = self.exit.lock().unwrap().take().expect("called once");
        match exit.await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    }

    async fn check(&self) -> Result<(), BoxError> {
        let health = *self.hand.health.lock().unwrap();
        match health {
            Health::Well => Ok(()),
            Health::Sick => Err("sick".into()),
            Health::Silent => std::future::pending().await,
            Health::Panicking => panic!("check panicked"),
        }
    }

    async fn drain(&self, _: Deadline) {
        self.hand.drains.fetch_add(1, Ordering::SeqCst);
        if self.hand.hold_drain.load(Ordering::SeqCst) {
            self.hand.drained.notified().await;
        }
    }

    fn pid(&self) -> Option<u32> {
        Some(4_000)
    }
}

impl Drop for Horse {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}
