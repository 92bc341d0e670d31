//! `POST /replace`: another process takes over, with the same listening sockets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures::future::join_all;
use ostler_http::{EventCounts, ServerHandle};
use ostler_scope::{Closed, Scope};
use ostler_store::SqliteStorage;
use ostler_switchboard::Switchboard;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::AdminState;
use super::chain;
use super::drain::Draining;
use super::event::EventDetail;
use super::problem::{Problem, ProblemDetails};
use super::view::{ReplacedView, seconds};
use super::watch::Watch;
use crate::replace::{Attempt, Estate, Program, ReplaceError, Replaced};
use crate::service_manager;

/// The replacement of this process: one attempt at a time, until one succeeds.
#[derive(Debug)]
pub(super) struct Replacement {
    /// What is started; without it this process cannot be replaced.
    program: Option<Program>,
    /// What the successor gets.
    estates: Vec<Estate>,
    /// How long an attempt may take.
    within: Duration,
    /// The store, which a successor opens too.
    database: Option<SqliteStorage>,
    leaving: Leaving,
    /// The whole of Ostler: the attempt runs in it, and is given up when it halts.
    root: Scope,
    draining: Arc<Draining>,
    watch: Arc<Watch>,
    stage: Mutex<Stage>,
    /// A successor is in charge; who runs Ostler waits for it.
    done: Notify,
    pub(super) counts: Counts,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Alone,
    /// An attempt is under way.
    Replacing,
    /// The successor is in charge.
    Replaced,
}

/// How replacements went.
#[derive(Debug, Default)]
pub(super) struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

/// Why a successor is not in charge. Everything is as before.
#[derive(Debug)]
pub(super) struct NotReplaced {
    /// What went wrong.
    reason: String,
    /// Whether the successor refuses its configuration.
    configuration: bool,
}

/// What will have become of a successor.
pub(super) type Outcome = oneshot::Receiver<Result<Replaced, NotReplaced>>;

/// What the replacement needs to know.
pub(super) struct Means {
    pub(super) program: Option<Program>,
    pub(super) estates: Vec<Estate>,
    pub(super) within: Duration,
    /// The store, which a successor opens too.
    pub(super) database: Option<SqliteStorage>,
}

/// Who stops accepting when a successor is in charge.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) switchboards: Vec<Switchboard>,
    /// The listeners of the endpoint.
    pub(super) mcp: Vec<ServerHandle>,
    /// The admin API's own.
    pub(super) listeners: Arc<OnceLock<Vec<(ServerHandle, EventCounts)>>>,
}

impl Leaving {
    /// Returns when nobody is accepted here any more: whoever connects from then on comes to the successor.
    async fn leave(&self) {
        let switchboards = self.switchboards.iter().map(Switchboard::server);
        let own = self.listeners.get().into_iter().flatten().map(|(server, _)| server);
        let servers = switchboards.chain(&self.mcp).chain(own);
        if timeout(LEAVING, join_all(servers.map(ServerHandle::retire))).await.is_err() {
            tracing::warn!("connections that were accepted before still wait for a thread to serve them");
        }
    }
}

impl Replacement {
    pub(super) fn new(
        means: Means,
        leaving: Leaving,
        root: &Scope,
        draining: &Arc<Draining>,
        watch: &Arc<Watch>,
    ) -> Arc<Self> {
        let Means { program, estates, within, database } = means;
        Arc::new(Self {
            program,
            estates,
            within,
            database,
            leaving,
            root: root.clone(),
            draining: Arc::clone(draining),
            watch: Arc::clone(watch),
            stage: Mutex::new(Stage::Alone),
            done: Notify::new(),
            counts: Counts::default(),
        })
    }

    /// Waits until a successor is in charge, and nobody is accepted here any more.
    pub(super) async fn done(&self) {
        self.done.notified().await;
    }

    /// Starts a successor, and gives what becomes of it. That goes on when nobody waits for it.
    ///
    /// # Errors
    /// Nothing is started, because of this.
    pub(super) fn request(self: &Arc<Self>) -> Result<Outcome, &'static str> {
        let begun = self.begin().and_then(|program| {
            let (reply, outcome) = oneshot::channel();
            let this = Arc::clone(self);
            let attempting = async move {
                let outcome = this.attempt(&program).await;
                // Whoever asked may have gone.
                let _ = reply.send(outcome);
                Ok::<_, Closed>(())
            };
            match self.root.spawn("replacement", attempting) {
                Ok(_task) => Ok(outcome),
                Err(Closed) => {
                    self.set(Stage::Alone);
                    Err(ENDING)
                }
            }
        });
        begun.inspect_err(|why| {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(why, "not replaced");
        })
    }

    /// Whether a successor is in charge.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.stage(), Stage::Replaced)
    }

    /// Reserves the one attempt.
    fn begin(&self) -> Result<Program, &'static str> {
        let program =
            self.program.clone().ok_or("this process was not started in a way that can be repeated")?;
        if self.is_ending() {
            return Err(ENDING);
        }
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match &*stage {
            Stage::Alone => {
                *stage = Stage::Replacing;
                Ok(program)
            }
            Stage::Replacing => Err("a replacement is under way"),
            Stage::Replaced => Err("a successor has taken over already"),
        }
    }

    async fn attempt(&self, program: &Program) -> Result<Replaced, NotReplaced> {
        service_manager::reloading();
        if let Some(Err(error)) = self.database.as_ref().map(SqliteStorage::share) {
            tracing::warn!(%error, "the store cannot be shared with a successor");
        }
        let outcome = match Attempt::begin(program, &self.estates, self.within) {
            Ok(attempt) => {
                let pid = attempt.pid();
                tracing::info!(pid, program = %program.path().display(), "replacement started");
                self.watch.tell(EventDetail::ReplacementStarted { pid });
                let ending = self.root.halting().cancelled();
                attempt.finish(&self.estates, || !self.is_ending(), ending).await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(replaced) => {
                let Replaced { pid, version, elapsed } = &replaced;
                // At once: if this process is asked to end now, it must not say that the service does.
                self.set(Stage::Replaced);
                service_manager::replaced(*pid);
                self.leaving.leave().await;
                tracing::info!(pid, %version, ?elapsed, "replaced: the successor serves");
                self.counts.done.fetch_add(1, Ordering::Relaxed);
                self.watch.tell(EventDetail::Replaced { pid: *pid, version: version.clone() });
                self.done.notify_one();
                Ok(replaced)
            }
            Err(error) => {
                let reason = chain::line(&error);
                tracing::error!(%reason, "not replaced, and serving as before");
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.watch.tell(EventDetail::ReplacementFailed { error: reason.clone() });
                service_manager::not_replaced(&reason);
                if let Some(Err(error)) = self.database.as_ref().map(SqliteStorage::claim) {
                    tracing::warn!(%error, "the store is still shared");
                }
                self.set(Stage::Alone);
                let configuration = matches!(error, ReplaceError::Refused { configuration: true, .. });
                Err(NotReplaced { reason, configuration })
            }
        }
    }

    /// Whether everything ends anyway.
    fn is_ending(&self) -> bool {
        self.draining.has_begun() || self.root.halting().is_cancelled()
    }

    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

/// How long accepting may take to stop, which takes no time unless threads are stuck.
const LEAVING: Duration = Duration::from_secs(1);

const ENDING: &str = "Ostler is ending";

impl Counts {
    /// By outcome.
    pub(super) fn outcomes(&self) -> [(&'static str, u64); 3] {
        [("done", &self.done), ("failed", &self.failed), ("refused", &self.refused)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// Start the program that this process was started from once more, and let that process take over with the same listening
/// sockets. The answer comes when it serves; this process finishes its requests then, and ends. If the successor does not serve in
/// time, it is ended, and everything is as before.
#[utoipa::path(post, path = "/replace", tag = "ostler", responses(
    (status = 200, description = "A successor has taken over", body = ReplacedView),
    (status = 409, description = "A replacement is under way, or this process ends, or cannot be replaced", body = ProblemDetails, content_type = "application/problem+json"),
    (status = 500, description = "The successor did not start, and everything is as before", body = ProblemDetails, content_type = "application/problem+json"),
))]
pub(super) async fn replace(State(state): State<AdminState>) -> Result<Json<ReplacedView>, Problem> {
    let outcome = state.replacement.request().map_err(Problem::replacement_refused)?;
    match outcome.await {
        Ok(Ok(Replaced { pid, version, elapsed })) => {
            Ok(Json(ReplacedView { pid, version, elapsed_seconds: seconds(elapsed) }))
        }
        Ok(Err(NotReplaced { reason, configuration: true })) => Err(Problem::configuration_refused(reason)),
        Ok(Err(NotReplaced { reason, configuration: false })) => Err(Problem::replacement_failed(reason)),
        Err(_cancelled) => Err(Problem::replacement_refused(ENDING)),
    }
}
