//! The data plane: one thread with a runtime of its own per core, so that a request never leaves its core.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use ostler_scope::{BoxError, Closed, Scope};
use tokio::runtime::LocalRuntime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Jobs that may wait for a worker: each server brings one per worker.
const JOBS: usize = 64;

/// How long a thread that is told to end waits for its servers, which have ended before unless the scope is out of time:
/// then everything in it is told at once, and a drain must still see what it cuts. Less than the grace of a scope.
pub(crate) const LAST_CHANCE: Duration = Duration::from_millis(80);

/// How many threads serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkersConfig {
    /// Threads. None: one per core that this process may use.
    pub threads: Option<NonZeroUsize>,
}

/// Work that starts on a worker's thread and stays there.
type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// The data plane's threads. Cheap to clone; the threads end with the scope they were started in.
#[derive(Clone, Debug)]
pub struct Workers {
    jobs: Vec<mpsc::Sender<Job>>,
}

impl Workers {
    /// Starts the threads in `scope`.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting.
    pub fn start(scope: &Scope, config: WorkersConfig) -> Result<Self, Closed> {
        let threads = config.threads.or_else(|| std::thread::available_parallelism().ok());
        let threads = threads.map_or(1, NonZeroUsize::get);
        let mut jobs = Vec::with_capacity(threads);
        for index in 0..threads {
            let (sender, receiver) = mpsc::channel(JOBS);
            scope.thread(format!("worker-{index}"), move |halting| work(receiver, halting))?;
            jobs.push(sender);
        }
        Ok(Self { jobs })
    }

    /// How many threads there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there are none. There never are.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Starts `job` on the thread with that index. A job for a worker that is ending is dropped.
    pub(crate) async fn run<F>(&self, index: usize, job: F)
    where
        F: FnOnce() -> LocalBoxFuture<'static, ()> + Send + 'static,
    {
        if let Some(jobs) = self.jobs.get(index) {
            // The receiver is gone only when the thread ends, and then nobody needs the job.
            let _ = jobs.send(Box::new(job)).await;
        }
    }
}

fn work(mut jobs: mpsc::Receiver<Job>, halting: CancellationToken) -> Result<(), BoxError> {
    let runtime = LocalRuntime::new()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                () = halting.cancelled() => break,
                Some(job) = jobs.recv() => {
                    running.spawn_local(job());
                }
                Some(ended) = running.join_next() => ended?,
                else => halting.cancelled().await,
            }
        }
        let ending = async {
            while let Some(ended) = running.join_next().await {
                ended?;
            }
            Ok(())
        };
        tokio::time::timeout(LAST_CHANCE, ending).await.unwrap_or(Ok(()))
    })
}
