//! `main` for programs that are one scope: runtime, signals and exit codes.

use std::future::poll_fn;
use std::io;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::extent::Extent;
use crate::{BoxError, Deadline, Name, Report, Scope, ScopeBuilder, ScopeError};

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Runs `body` as the program, with the defaults of [`Main`].
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     ostler_scope::main("hello", |scope| async move {
///         scope.halting().cancelled().await;
///         Ok(ExitCode::SUCCESS)
///     })
/// }
/// ```
pub fn main<F, Fut>(name: impl Into<Name>, body: F) -> ExitCode
where
    F: FnOnce(Scope) -> Fut,
    Fut: Future<Output = Result<ExitCode, BoxError>>,
{
    Main::new(name).run(body)
}

/// A program as one scope. Builds a multi-thread runtime and runs the body on the main thread in a root scope.
///
/// The root halts when the body returns, when something linked in it fails, or on the first SIGINT or SIGTERM, which drop
/// the body where it awaits. A second signal brings the deadline forward to now, a third exits on the spot.
///
/// Exit code: the body's own when it returned one; 1 when anything failed; after a signal 130 (SIGINT) or 143 (SIGTERM);
/// or what [`Main::exit_code`] makes of it.
pub struct Main {
    root: ScopeBuilder,
    worker_threads: Option<usize>,
    exit_code: Option<Decide>,
}

type Decide = Box<dyn FnOnce(&Ending) -> ExitCode>;

/// How the program ended, for [`Main::exit_code`].
#[derive(Debug)]
pub struct Ending {
    /// How the root scope ended. An error of the body is part of it.
    pub report: Report,
    /// The number of the first signal, if that is what ended it.
    pub signal: Option<u8>,
    /// What the program exits with unless told otherwise.
    pub code: ExitCode,
}

// === impl Main ===

impl Main {
    /// A program whose root scope is called `name`.
    pub fn new(name: impl Into<Name>) -> Self {
        Self { root: Scope::root(name), worker_threads: None, exit_code: None }
    }

    /// Worker threads of the runtime. Default: one for each core.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = Some(threads);
        self
    }

    /// How long the teardown of the root may take. Default: 10 s.
    #[must_use]
    pub fn cleanup_deadline(mut self, budget: Duration) -> Self {
        self.root = self.root.cleanup_deadline(budget);
        self
    }

    /// As [`ScopeBuilder::grace`]. Default: 100 ms.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.root = self.root.grace(grace);
        self
    }

    /// Decides the exit code, and takes over telling the user about a failure, which otherwise goes to stderr.
    #[must_use]
    pub fn exit_code(mut self, decide: impl FnOnce(&Ending) -> ExitCode + 'static) -> Self {
        self.exit_code = Some(Box::new(decide));
        self
    }

    /// Runs the program.
    ///
    /// # Panics
    /// When called in a tokio runtime. A panic of the body is an error like any other.
    pub fn run<F, Fut>(self, body: F) -> ExitCode
    where
        F: FnOnce(Scope) -> Fut,
        Fut: Future<Output = Result<ExitCode, BoxError>>,
    {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = self.worker_threads {
            builder.worker_threads(threads);
        }
        let ending = builder.enable_all().build().and_then(|runtime| {
            let ending = runtime.block_on(supervise(self.root, body));
            // Blocking work that overstayed has been reported; waiting for it would be to hang after all.
            runtime.shutdown_background();
            ending
        });
        let ending = ending.unwrap_or_else(Ending::not_started);
        match self.exit_code {
            Some(decide) => decide(&ending),
            None => {
                ending.tell();
                ending.code
            }
        }
    }
}

async fn supervise<F, Fut>(root: ScopeBuilder, body: F) -> io::Result<Ending>
where
    F: FnOnce(Scope) -> Fut,
    Fut: Future<Output = Result<ExitCode, BoxError>>,
{
    let mut signals = Signals::new()?;
    let extent = Extent::open(root).map_err(io::Error::other)?;
    let root = extent.scope().clone();
    let body = AssertUnwindSafe(async { body(root.clone()).await }).catch_unwind();
    let (outcome, first) = tokio::select! {
        biased;
        number = signals.next() => (None, Some(number)),
        outcome = extent.live(body) => (outcome, None),
    };
    drop(extent);
    let mut report = signals.insist_on(&root, usize::from(first.is_some())).await;
    let (own, failure) = match outcome {
        Some(Ok(Ok(code))) => (code, None),
        Some(Ok(Err(error))) => (ExitCode::FAILURE, Some(ScopeError::from_error(|| root.path(), error))),
        Some(Err(payload)) => (ExitCode::FAILURE, Some(ScopeError::panicked(root.path(), &*payload))),
        None => (ExitCode::SUCCESS, None),
    };
    if let Some(failure) = failure {
        report.error = Some(failure.suppress(report.error));
    }
    let code = match first {
        _ if report.error.is_some() => ExitCode::FAILURE,
        Some(number) => ExitCode::from(128 + number),
        None => own,
    };
    Ok(Ending { report, signal: first, code })
}

// === impl Ending ===

impl Ending {
    fn not_started(error: io::Error) -> Self {
        let error = ScopeError::from_error(|| "runtime".to_owned(), error.into());
        let report = Report { error: Some(error), ..Report::default() };
        Self { report, signal: None, code: ExitCode::FAILURE }
    }

    #[allow(
        clippy::print_stderr,
        reason = "the last words of a program that did not ask to phrase them itself"
    )]
    fn tell(&self) {
        if let Some(error) = &self.report.error {
            eprintln!("error: {error}");
            for later in error.suppressed() {
                eprintln!("  then: {later}");
            }
        }
        for path in &self.report.stuck {
            eprintln!("did not stop in time: {path}");
        }
    }
}

/// SIGINT and SIGTERM, which no longer end the process from here on.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

// === impl Signals ===

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The number of the next signal. Cancel safe.
    async fn next(&mut self) -> u8 {
        poll_fn(|cx| {
            if self.interrupt.poll_recv(cx).is_ready() {
                return SIGINT.into();
            }
            self.terminate.poll_recv(cx).map(|_| SIGTERM)
        })
        .await
    }

    /// Halts `root` and waits for its end, which signals hurry; `seen` of them have come already.
    #[allow(
        clippy::disallowed_methods,
        reason = "whoever sends a third signal wants no more finalizers to run"
    )]
    async fn insist_on(&mut self, root: &Scope, mut seen: usize) -> Report {
        let halt = root.halt();
        tokio::pin!(halt);
        loop {
            let number = tokio::select! {
                biased;
                report = &mut halt => return report,
                number = self.next() => number,
            };
            seen += 1;
            match seen {
                1 => {}
                2 => drop(root.halt_by(&Deadline::at(Instant::now()))),
                _ => std::process::exit(128 + i32::from(number)),
            }
        }
    }
}
