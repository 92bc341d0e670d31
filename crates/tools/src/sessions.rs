//! The sessions of a server: those that are parked, those that are at work, those that only their journal knows.

mod answer;
mod busy;
mod call;
mod change;
mod config;
mod follow;
mod reply;
mod round;
mod sealed;
mod shelf;
mod task;
mod upkeep;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ostler_journal::{JournalStorage, ListQuery, SessionId, SessionSummary, StorageError};
use ostler_lease::Fence;
use ostler_scope::{Closed, Scope, ScopeHandle};
use tokio::sync::{Semaphore, broadcast};

pub use self::answer::Answer;
pub use self::call::{Call, no_arguments};
pub use self::change::Change;
pub use self::config::SessionsConfig;
pub use self::follow::Follower;
pub use self::reply::{InputRequired, Reply};
pub use self::sealed::{Resume, StartError};
pub use self::task::SessionView;

pub(crate) use self::follow::Followers;
use self::shelf::{Census, Shelf};
use self::watch::Watch;
use crate::Tools;
use crate::clock::Clock;
use crate::destination::{Destination, Writer};
use crate::testing::Effects;

/// Changes that somebody who listens may be behind.
const CHANGES: usize = 64;

/// Runs tools, parks them while they wait for answers, and finds them again. A clone is the same.
///
/// ```
/// use ostler_tools::{Attempt, Call, MemoryStorage, Reply, Sessions, SessionsConfig, Tool, ToolContext, ToolResult, Tools};
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Name { name: String }
///
/// async fn greet(_: ToolContext, who: Name) -> ToolResult<String> {
///     Ok(format!("Hello, {}!", who.name))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scope = ostler_scope::Scope::root("app").open()?;
/// let tools = Tools::new().tool(Tool::new("greet", greet));
/// let sessions = Sessions::start(&scope, tools, MemoryStorage::new(), SessionsConfig::default())?;
/// let reply = sessions.call(Call::tool("greet", &serde_json::json!({ "name": "Ada" })), Attempt::anonymous()).await?;
/// let Reply::Done(result) = reply else { panic!("it asks nothing") };
/// assert_eq!(result.as_str(), r#"{"content":[{"type":"text","text":"Hello, Ada!"}]}"#);
/// # scope.halt().await;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tools: RwLock<Arc<Tools>>,
    /// What has changed, for those who listen.
    changes: broadcast::Sender<Change>,
    writer: Writer,
    /// What there is of a session when it has waited.
    resume: Resume,
    config: SessionsConfig,
    clock: Clock,
    shelf: Shelf,
    /// Open once what goes on by itself goes on here.
    charge: Semaphore,
    census: Census,
    /// What goes on without a request: the ends of attempts that were cut off, sessions that sleep.
    background: ScopeHandle,
    counters: Counters,
    watch: Watch,
    /// Where steps are counted, in tests.
    effects: Effects,
}

/// What has happened since the start.
#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    rounds: AtomicU64,
    resumed_live: AtomicU64,
    resumed_from_journal: AtomicU64,
    resumed_sealed: AtomicU64,
    evicted: AtomicU64,
    expired: AtomicU64,
    diverged: AtomicU64,
    foreign_wakes: AtomicU64,
    untold: AtomicU64,
}

/// What has happened since the start, and what there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionsStatus {
    /// Calls, those that never waited included.
    pub calls: u64,
    /// Rounds of questions that were asked.
    pub rounds: u64,
    /// Answers that found their tool parked.
    pub resumed_live: u64,
    /// Answers for which the tool was replayed from its journal.
    pub resumed_from_journal: u64,
    /// Answers that brought the journal for which the tool was replayed.
    pub resumed_sealed: u64,
    /// Parked tools that were dropped for their memory; their journals go on.
    pub evicted: u64,
    /// Sessions whose time was over.
    pub expired: u64,
    /// Sessions whose code did not do what it did before.
    pub diverged: u64,
    /// Parked tools that were woken by something that is not their context's. They are not polled for it: a tool may await its
    /// context alone.
    pub foreign_wakes: u64,
    /// Progress and log messages that were dropped because their calls had told [`SessionsConfig::max_events`].
    pub untold: u64,
    /// Parked tools.
    pub parked: usize,
    /// Tools at work for a request that is not their first.
    pub busy: usize,
    /// Bytes that parked tools hold, roughly.
    pub parked_bytes: usize,
}

impl Sessions {
    /// Begins to take calls, until `scope` halts.
    ///
    /// # Errors
    /// [`Closed`] if it is halting already.
    pub fn start(
        scope: &Scope,
        tools: Tools,
        storage: impl JournalStorage,
        config: SessionsConfig,
    ) -> Result<Self, Closed> {
        Self::start_with(scope, tools, Arc::new(storage), Fence::LOCAL, config)
    }

    /// Begins to take calls, with a storage that others use too, and the right to write that `fence` is.
    ///
    /// # Errors
    /// [`Closed`] if `scope` is halting already.
    pub fn start_with(
        scope: &Scope,
        tools: Tools,
        storage: Arc<dyn JournalStorage>,
        fence: Fence,
        config: SessionsConfig,
    ) -> Result<Self, Closed> {
        Self::start_counting(scope, tools, storage, fence, config, Effects::default())
    }

    /// The same, counting in `effects` the steps that run.
    pub(crate) fn start_counting(
        scope: &Scope,
        tools: Tools,
        storage: Arc<dyn JournalStorage>,
        fence: Fence,
        config: SessionsConfig,
        effects: Effects,
    ) -> Result<Self, Closed> {
        let writer = Writer { storage, fence, followers: Followers::default() };
        let (sessions, background) = Self::open(scope, tools, writer, Resume::Journal, config, effects)?;
        sessions.keep_up(&background)?;
        Ok(sessions)
    }

    fn open(
        scope: &Scope,
        tools: Tools,
        writer: Writer,
        resume: Resume,
        config: SessionsConfig,
        effects: Effects,
    ) -> Result<(Self, Scope), Closed> {
        let background = scope.child("sessions").open()?;
        let in_charge = config.in_charge;
        let inner = Arc::new(Inner {
            tools: RwLock::new(Arc::new(tools)),
            changes: broadcast::Sender::new(CHANGES),
            writer,
            resume,
            config,
            clock: Clock::system(),
            shelf: Shelf::default(),
            charge: Semaphore::new(usize::from(in_charge)),
            census: Census::default(),
            background: background.handle(),
            counters: Counters::default(),
            watch: Watch::default(),
            effects,
        });
        Ok((Self { inner }, background))
    }

    /// What goes on by itself goes on here from now on: nobody else who uses the storage does it any more.
    pub fn take_charge(&self) {
        self.inner.charge.add_permits(1);
    }

    /// What is offered.
    #[must_use]
    pub fn tools(&self) -> Arc<Tools> {
        Arc::clone(&self.inner.tools.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Offers `tools` from now on, and tells those who listen what has changed. Sessions that were begun by what is not there
    /// any more fail when they are answered, unless they are live.
    pub fn offer(&self, tools: Tools) {
        let before = std::mem::replace(
            &mut *self.inner.tools.write().unwrap_or_else(PoisonError::into_inner),
            Arc::new(tools),
        );
        let after = self.tools();
        for change in Change::between(&before, &after) {
            self.announce(change);
        }
    }

    /// Tells those who listen of a change.
    pub fn announce(&self, change: Change) {
        // Nobody listens: nobody has to be told.
        let _ = self.inner.changes.send(change);
    }

    /// Hears of changes from now on. Whoever is too slow is told how many were missed.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// The bounds and durations that hold.
    #[must_use]
    pub fn config(&self) -> &SessionsConfig {
        &self.inner.config
    }

    /// The time of day that sessions go by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// The sessions that the store knows.
    ///
    /// # Errors
    /// [`StorageError`]
    pub async fn list(&self, query: ListQuery) -> Result<Vec<SessionSummary>, StorageError> {
        self.inner.writer.storage.list(query).await
    }

    /// One session, if the store knows it.
    ///
    /// # Errors
    /// [`StorageError`]
    pub async fn summary(&self, session: SessionId) -> Result<Option<SessionSummary>, StorageError> {
        self.inner.writer.storage.summary(session).await
    }

    /// Where the entries of a session that begins go.
    fn destination(&self) -> Destination {
        match self.inner.resume {
            Resume::Journal => Destination::Store(self.inner.writer.clone()),
            Resume::Sealed => Destination::Client(Vec::new()),
        }
    }

    fn spawn(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<(), std::convert::Infallible>> + Send + 'static,
    ) -> Result<(), Closed> {
        let scope = self.inner.background.upgrade().ok_or(Closed)?;
        scope.supervise(name, work).map(drop)
    }

    fn is_open(&self) -> bool {
        self.inner.background.upgrade().is_some_and(|scope| !scope.halting().is_cancelled())
    }

    /// How many there are, and what has happened to them.
    #[must_use]
    pub fn status(&self) -> SessionsStatus {
        let Inner { counters, shelf, .. } = &*self.inner;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (parked, busy, parked_bytes) = shelf.count();
        SessionsStatus {
            calls: read(&counters.calls),
            rounds: read(&counters.rounds),
            resumed_live: read(&counters.resumed_live),
            resumed_from_journal: read(&counters.resumed_from_journal),
            resumed_sealed: read(&counters.resumed_sealed),
            evicted: read(&counters.evicted),
            expired: read(&counters.expired),
            diverged: read(&counters.diverged),
            foreign_wakes: read(&counters.foreign_wakes),
            untold: read(&counters.untold),
            parked,
            busy,
            parked_bytes,
        }
    }
}
