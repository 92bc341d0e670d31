//! The driver: polls a tool, delivers one outcome at a time, writes the journal, and finds out when only answers can help.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ostler_journal::{AppendResult, End, EntryEvent, Json, Seq, Timestamp};
use tokio::time::Sleep;

use crate::ToolResult;
use crate::callable::Started;
use crate::core::Core;
use crate::destination::{Destination, Writer};
use crate::error::Failure;

/// A tool that runs, or is parked between two rounds.
pub(crate) struct Running {
    pub(crate) core: Arc<Core>,
    /// The tool, until it has ended.
    future: Option<BoxFuture<'static, ToolResult<Json>>>,
    /// How large the tool's own state is.
    size: usize,
    destination: Destination,
    /// Whether the tool has been pending. One that never waits costs no more than its call.
    waited: bool,
    writing: Option<Writing>,
    /// What came of the tool, while that is being written.
    output: Option<Result<Json, Failure>>,
    /// Until the first sleep ends, if nothing else can happen.
    alarm: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// Until the tool has taken too long.
    limit: Option<Pin<Box<Sleep>>>,
    /// Whether the session is to go on without its request as soon as its tool waits.
    launched: bool,
    /// The place before which everything has to be durable for the session to go on without its request.
    detaching: Option<Seq>,
    /// Whether the tool had yet to come where it was.
    replaying: bool,
    keep: Duration,
}

struct Writing {
    /// Everything before is durable when it is done.
    place: Seq,
    append: BoxFuture<'static, AppendResult>,
}

/// Why a driver stops.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The tool has ended. What came of it is durable, if anything of the session is.
    Finished(Result<Json, Failure>),
    /// The tool waits for answers; the round is durable.
    Parked,
    /// The attempt is over, and nothing is at work any more.
    WoundDown,
    /// The session goes on without the request, and that is durable.
    Detached,
}

impl Running {
    pub(crate) fn new(core: Arc<Core>, started: Started, destination: Destination, keep: Duration) -> Self {
        let replaying = core.begun(|journal| journal.is_replaying()).unwrap_or(false);
        let mut running = Self::without_code(core, destination, keep);
        running.future = Some(started.future);
        running.size = started.size;
        running.waited = false;
        running.replaying = replaying;
        running
    }

    /// A session whose code is not there to be run, only to be ended.
    pub(crate) const fn without_code(core: Arc<Core>, destination: Destination, keep: Duration) -> Self {
        Self {
            core,
            future: None,
            size: 0,
            destination,
            waited: true,
            writing: None,
            output: None,
            alarm: None,
            limit: None,
            launched: false,
            detaching: None,
            replaying: false,
            keep,
        }
    }

    /// Begins the time that the tool may take until it asks or ends.
    pub(crate) fn begin_turn(&mut self) {
        self.limit = self.core.callable.limits.time.map(|time| Box::pin(tokio::time::sleep(time)));
    }

    /// Lets the session go on without its request: the next turn says so once that is durable, if it has not ended by then.
    pub(crate) fn detach(&mut self) {
        let place = self.core.journal(|journal| {
            journal.detach();
            journal.next()
        });
        self.detaching = Some(place);
        self.core.cell().write_wanted = true;
    }

    /// Lets the session go on without its request if its tool does not end at once: see [`detach`](Self::detach).
    pub(crate) const fn launch(&mut self) {
        self.launched = true;
    }

    /// Goes on with a journal that is carried: these are its entries so far.
    pub(crate) fn carry(&mut self, entries: Vec<EntryEvent>) {
        self.destination = Destination::Client(entries);
    }

    /// The entries that are carried, all there are.
    pub(crate) fn take_carried(&mut self) -> Vec<EntryEvent> {
        match &mut self.destination {
            Destination::Client(entries) => std::mem::take(entries),
            Destination::Store(_) => Vec::new(),
        }
    }

    /// Whether it has ended.
    pub(crate) const fn is_over(&self) -> bool {
        self.future.is_none() && self.output.is_none()
    }

    /// How much memory it holds, roughly.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + size_of::<Core>() + self.size + self.core.cell().size()
    }

    /// Goes on until the tool has ended or waits for answers.
    pub(crate) async fn advance(&mut self) -> Turn {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if !self.waited && self.output.is_none() {
            match self.poll_tool(cx) {
                Poll::Ready(output) => self.end(output),
                // Polled once more, with the waker that tells the driver whether it has to be.
                Poll::Pending => self.core.set_woken(),
            }
            if std::mem::take(&mut self.launched) && self.output.is_none() {
                self.detach();
            }
            self.waited = true;
        }
        self.core.driven_by(cx);
        loop {
            self.poll_writing(cx);
            if let Some(failure) = self.core.cell().failure.take() {
                return Poll::Ready(Turn::Finished(Err(failure)));
            }
            let interrupt = self.core.cell().interrupt.take();
            if let Some(failure) = interrupt
                && self.output.is_none()
            {
                self.core.cancel();
                self.end(Err(failure));
            }
            if self.output.is_some() {
                return self.poll_end(cx);
            }
            if let Some(place) = self.detaching
                && self.core.begun(|journal| journal.is_durable(place)) == Some(true)
            {
                self.detaching = None;
                return Poll::Ready(Turn::Detached);
            }
            if self.core.take_woken() {
                let waker = Waker::from(Arc::clone(&self.core));
                if let Poll::Ready(output) = self.poll_tool(&mut Context::from_waker(&waker)) {
                    self.end(output);
                }
                continue;
            }
            match self.after_poll(cx) {
                Next::Again => {}
                Next::Wait => return self.poll_limit(cx),
                Next::Stop(turn) => return Poll::Ready(turn),
            }
        }
    }

    fn poll_tool(&mut self, cx: &mut Context<'_>) -> Poll<Result<Json, Failure>> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = match catch_unwind(AssertUnwindSafe(|| future.poll_unpin(cx))) {
            Ok(polled) => polled.map_err(|error| Failure::from(&error)),
            Err(panic) => Poll::Ready(Err(Failure::Panicked { message: text_of(&*panic) })),
        };
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }

    /// What comes after a poll that has left the tool with nothing to do.
    fn after_poll(&mut self, cx: &mut Context<'_>) -> Next {
        match self.core.begun(|journal| journal.deliver()) {
            Some(Ok(Some(number))) => {
                self.core.wake(number);
                self.wake_if_live();
                return Next::Again;
            }
            Some(Err(divergence)) => return Next::Stop(Turn::Finished(Err(divergence.into()))),
            Some(Ok(None)) | None => {}
        }
        if self.wake_if_live() {
            return Next::Again;
        }
        if self.writing.is_none() && std::mem::take(&mut self.core.cell().write_wanted) && self.write() {
            return Next::Again;
        }
        if self.core.cell().at_work > 0 || self.writing.is_some() {
            return Next::Wait;
        }
        let Some(status) = self.core.begun(|journal| (journal.has_questions(), journal.next_wake())) else {
            // The tool waits for something that is not its context's.
            return Next::Wait;
        };
        if self.core.cell().winding_down {
            return if self.write() { Next::Again } else { Next::Stop(Turn::WoundDown) };
        }
        match status {
            (true, _) => self.close_round(),
            (false, Some(wake)) if self.write() => {
                let _ = wake;
                Next::Again
            }
            (false, Some(wake)) => self.sleep_until(wake, cx),
            (false, None) => Next::Wait,
        }
    }

    /// Once the past is over, what was held back may start; false if it was over before, or is not yet.
    fn wake_if_live(&mut self) -> bool {
        let live = self.replaying && !self.core.begun(|journal| journal.is_replaying()).unwrap_or(false);
        if live {
            self.replaying = false;
            self.core.wake_all();
        }
        live
    }

    fn close_round(&mut self) -> Next {
        self.core.begun(|journal| {
            if !journal.is_asked() {
                journal.close_round();
            }
        });
        if self.write() {
            return Next::Again;
        }
        self.limit = None;
        Next::Stop(Turn::Parked)
    }

    fn sleep_until(&mut self, wake: Timestamp, cx: &mut Context<'_>) -> Next {
        let alarm = match &mut self.alarm {
            Some((at, alarm)) if *at == wake => alarm,
            other => {
                let sleep = Box::pin(tokio::time::sleep_until(self.core.clock.instant(wake)));
                &mut other.insert((wake, sleep)).1
            }
        };
        if alarm.poll_unpin(cx).is_pending() {
            return Next::Wait;
        }
        self.alarm = None;
        self.core.begun(|journal| journal.wake(wake));
        Next::Again
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let over = self.limit.as_mut().is_some_and(|limit| limit.poll_unpin(cx).is_ready());
        if over {
            self.limit = None;
            self.end(Err(Failure::TimeLimit));
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// What a driver does next.
enum Next {
    Again,
    Wait,
    Stop(Turn),
}

/// The end.
impl Running {
    /// Ends the session with what came of the tool, or with `failure`: whatever the tool has going on is dropped.
    pub(crate) fn end(&mut self, output: Result<Json, Failure>) {
        self.future = None;
        let now = self.core.clock.now();
        let diverged = self.core.begun(|journal| journal.check_ended().err()).flatten();
        let output = match (output, diverged) {
            (Ok(_), Some(divergence)) => return self.core.cell().failure = Some(divergence.into()),
            (output, _) => output,
        };
        let keep = self.keep;
        let expires = self.core.cell().beginning.expires;
        self.core.begun(|journal| {
            let known = journal.round().last > 0 || journal.is_detached();
            let matters = journal.is_stored() || known || journal.significant() > Seq::default();
            if matters {
                // Whoever has no handle cannot ask again.
                let keep = if known { now.after(keep).min(expires.max(now)) } else { now };
                journal.finish(end_of(&output), keep);
            } else {
                journal.take_unsaved(now);
            }
        });
        self.output = Some(output);
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            if self.writing.is_none() && !self.write() {
                break;
            }
            self.poll_writing(cx);
            if let Some(failure) = self.core.cell().failure.take() {
                return Poll::Ready(Turn::Finished(Err(failure)));
            }
            if self.writing.is_some() {
                return Poll::Pending;
            }
        }
        match self.output.take() {
            Some(output) => Poll::Ready(Turn::Finished(output)),
            None => Poll::Pending,
        }
    }
}

/// Writing.
impl Running {
    /// Begins to write what is not written yet; false if there is nothing.
    fn write(&mut self) -> bool {
        let now = self.core.clock.now();
        let taken = self
            .core
            .begun(|journal| journal.has_unsaved().then(|| (journal.next(), journal.take_unsaved(now))));
        let Some((place, entries)) = taken.flatten() else { return false };
        match &mut self.destination {
            Destination::Store(writer) => {
                let Writer { storage, fence, .. } = writer.clone();
                let batch = entries.into_iter().map(|entry| (fence, entry)).collect();
                let append = async move { storage.append(batch).await }.boxed();
                self.writing = Some(Writing { place, append });
            }
            Destination::Client(carried) => {
                carried.extend(entries.into_iter().map(|entry| entry.event));
                self.written(place);
            }
        }
        true
    }

    fn poll_writing(&mut self, cx: &mut Context<'_>) {
        let Some(Writing { place, append }) = &mut self.writing else { return };
        let Poll::Ready(answers) = append.poll_unpin(cx) else { return };
        let place = *place;
        self.writing = None;
        let refused = match answers {
            Ok(answers) => answers.into_iter().find_map(Result::err).map(Failure::from),
            Err(error) => Some(error.into()),
        };
        match refused {
            Some(failure) => self.core.cell().failure = Some(failure),
            None => self.written(place),
        }
    }

    /// Everything before `place` is where it goes.
    fn written(&mut self, place: Seq) {
        let session = self.core.begun(|journal| {
            journal.saved(place);
            journal.session()
        });
        self.core.wake_barriers();
        if let (Some(session), Destination::Store(writer)) = (session, &self.destination) {
            writer.followers.tell(session);
        }
    }
}

fn end_of(output: &Result<Json, Failure>) -> End {
    match output {
        Ok(value) => End::Completed(value.clone()),
        Err(Failure::Cancelled) => End::Cancelled,
        Err(Failure::Expired) => End::Expired,
        Err(failure) => End::Failed(Json::of(failure).expect("a failure has a form in JSON")),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".into())
}

impl Drop for Running {
    fn drop(&mut self) {
        // What its parts say to one another as they go is nobody's fault.
        self.core.unpark();
        // What the tool awaits is withdrawn while its core is whole.
        self.future = None;
        self.core.clear_wakers();
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({:?})", self.core.callable)
    }
}
