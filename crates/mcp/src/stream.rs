//! Responses that take a while: server-sent events
//! ([HTML](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use ostler_tools::{Json, LogLevel, SessionEvent, SessionEventKind};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use crate::reply::{Answer, notification};

/// A call under way, as a stream: what its tool tells, and its answer. Dropped with the response, it cuts off the call.
pub(crate) struct CallStream {
    call: Option<BoxFuture<'static, Answer>>,
    told: Option<Told>,
    /// What comes before anything else.
    first: Option<Piece>,
    heartbeat: Interval,
}

/// What a tool tells of a call, and by which token its client knows that.
pub(crate) struct Told {
    pub(crate) events: Receiver<SessionEvent>,
    pub(crate) progress_token: Option<Value>,
}

impl Told {
    /// The next thing told, as a message.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        loop {
            match self.events.poll_recv(cx) {
                Poll::Ready(Some(event)) => {
                    if let Some(message) = self.message(event) {
                        return Poll::Ready(Some(message));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn message(&self, event: SessionEvent) -> Option<String> {
        match event.kind {
            SessionEventKind::Progress { progress: at, total, message } => {
                Some(progress(self.progress_token.as_ref()?, at, total, message))
            }
            SessionEventKind::Log { level, logger, data } => Some(log(level, logger, &data)),
            // They are the reply.
            SessionEventKind::ElicitRequest(_)
            | SessionEventKind::SampleRequest(_)
            | SessionEventKind::RootsRequest(_)
            | SessionEventKind::Result(_)
            | SessionEventKind::Error(_)
            | SessionEventKind::Cancelled => None,
        }
    }
}

/// How far a call is, as a message.
pub(crate) fn progress(token: &Value, progress: f64, total: Option<f64>, message: Option<String>) -> String {
    let mut params = json!({ "progressToken": token, "progress": number(progress) });
    if let Some(total) = total {
        params["total"] = number(total);
    }
    if let Some(message) = message {
        params["message"] = message.into();
    }
    notification("notifications/progress", &params)
}

/// What a call has to tell, as a message.
pub(crate) fn log(level: LogLevel, logger: Option<String>, data: &Json) -> String {
    let data: Value = data.read().unwrap_or_default();
    let mut params = json!({ "level": level.as_str(), "data": data });
    if let Some(logger) = logger {
        params["logger"] = logger.into();
    }
    notification("notifications/message", &params)
}

/// A whole number as such.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and far from the bounds")]
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}

impl CallStream {
    pub(crate) fn new(
        call: BoxFuture<'static, Answer>,
        told: Option<Told>,
        first: Option<Piece>,
        heartbeat: Duration,
    ) -> Self {
        Self { call: Some(call), told, first, heartbeat: beat(heartbeat) }
    }
}

impl Stream for CallStream {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        let Some(call) = &mut this.call else { return Poll::Ready(None) };
        if let Some(told) = &mut this.told
            && let Poll::Ready(Some(event)) = told.poll(cx)
        {
            this.heartbeat.reset();
            return Poll::Ready(Some(Piece::Message(event)));
        }
        if let Poll::Ready(answer) = call.poll_unpin(cx) {
            // What was told before the answer goes before it.
            if let Some(told) = &mut this.told
                && let Poll::Ready(Some(event)) = told.poll(cx)
            {
                this.call = Some(std::future::ready(answer).boxed());
                return Poll::Ready(Some(Piece::Message(event)));
            }
            this.call = None;
            return Poll::Ready(Some(Piece::Message(answer.message)));
        }
        match this.heartbeat.poll_tick(cx) {
            Poll::Ready(_) => Poll::Ready(Some(Piece::Heartbeat)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What comes next in a stream.
#[derive(Debug)]
pub(crate) enum Piece {
    Message(String),
    /// Nothing, but the stream is there.
    Heartbeat,
}

impl Piece {
    pub(crate) fn frame(self) -> Bytes {
        match self {
            Self::Message(message) => frame(&message),
            Self::Heartbeat => Bytes::from_static(HEARTBEAT),
        }
    }
}

/// A comment, which clients ignore.
pub(crate) const HEARTBEAT: &[u8] = b": \n\n";

/// Ticks when `period` has passed, and again.
pub(crate) fn beat(period: Duration) -> Interval {
    let mut interval = interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// A message as an event. JSON has no line breaks of its own.
pub(crate) fn frame(message: &str) -> Bytes {
    let mut frame = String::with_capacity(message.len() + 24);
    frame.push_str("event: message\ndata: ");
    frame.push_str(message);
    frame.push_str("\n\n");
    frame.into()
}
