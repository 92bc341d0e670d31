//! Responses that take a while: server-sent events
//! ([HTML](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use ostler_tools::{SessionEvent, SessionEventKind};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use crate::reply::{Answer, notification};

/// A call under way, as a stream: what its tool tells, and its answer. Dropped with the response, it cuts off the call.
pub(crate) struct CallStream {
    call: Option<BoxFuture<'static, Answer>>,
    told: Option<Told>,
    /// What comes before anything else.
    first: Option<Bytes>,
    heartbeat: Interval,
}

/// What a tool tells of a call, and by which token its client knows that.
pub(crate) struct Told {
    pub(crate) events: Receiver<SessionEvent>,
    pub(crate) progress_token: Option<Value>,
}

impl Told {
    /// The next thing told, as an event of the stream.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match self.events.poll_recv(cx) {
                Poll::Ready(Some(event)) => {
                    if let Some(message) = self.message(event) {
                        return Poll::Ready(Some(frame(&message)));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn message(&self, event: SessionEvent) -> Option<String> {
        match event.kind {
            SessionEventKind::Progress { progress, total, message } => {
                let mut params =
                    json!({ "progressToken": self.progress_token.as_ref()?, "progress": number(progress) });
                if let Some(total) = total {
                    params["total"] = number(total);
                }
                if let Some(message) = message {
                    params["message"] = message.into();
                }
                Some(notification("notifications/progress", &params))
            }
            SessionEventKind::Log { level, logger, data } => {
                let data: Value = data.read().unwrap_or_default();
                let mut params = json!({ "level": level.as_str(), "data": data });
                if let Some(logger) = logger {
                    params["logger"] = logger.into();
                }
                Some(notification("notifications/message", &params))
            }
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

/// A whole number as such.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and far from the bounds")]
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}

impl CallStream {
    pub(crate) fn new(
        call: BoxFuture<'static, Answer>,
        told: Option<Told>,
        first: Option<Bytes>,
        heartbeat: Duration,
    ) -> Self {
        Self { call: Some(call), told, first, heartbeat: beat(heartbeat) }
    }
}

impl Stream for CallStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(first));
        }
        let Some(call) = &mut this.call else { return Poll::Ready(None) };
        if let Some(told) = &mut this.told
            && let Poll::Ready(Some(event)) = told.poll(cx)
        {
            this.heartbeat.reset();
            return Poll::Ready(Some(event));
        }
        if let Poll::Ready(answer) = call.poll_unpin(cx) {
            // What was told before the answer goes before it.
            if let Some(told) = &mut this.told
                && let Poll::Ready(Some(event)) = told.poll(cx)
            {
                this.call = Some(std::future::ready(answer).boxed());
                return Poll::Ready(Some(event));
            }
            this.call = None;
            return Poll::Ready(Some(frame(&answer.message)));
        }
        match this.heartbeat.poll_tick(cx) {
            Poll::Ready(_) => Poll::Ready(Some(Bytes::from_static(HEARTBEAT))),
            Poll::Pending => Poll::Pending,
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
