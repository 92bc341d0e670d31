//! One request over HTTP/2 and its response.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::{Response, StatusCode};
use ostler_scope::BoxError;
use pin_project_lite::pin_project;

use super::ledger::Ledger;
use super::response;
use crate::connection::Connection;
use crate::exchange::{Answer, Exchange, last};
use crate::h1::message;
use crate::phase::{Order, Phase};
use crate::{EventKind, Fault};

pin_project! {
    /// The service's answer on its way. What goes wrong is this stream's alone.
    pub(crate) struct Answering<F> {
        #[pin]
        answer: Answer<F>,
        asked: Asked,
        exchange: Arc<Connection>,
        ledger: Ledger,
        response: Arc<response::Response>,
    }

    impl<F> PinnedDrop for Answering<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.exchange.phase() == Phase::Handler && this.ledger.is_broken_off() {
                this.exchange.end(EventKind::ClientDisconnected { phase: Phase::Handler });
            }
        }
    }
}

pin_project! {
    /// A response body that tells when it could not be sent to its end.
    #[derive(Debug)]
    pub(crate) struct Sending<B> {
        #[pin]
        body: Exchange<B>,
        // What is left of a frame that is given in pieces.
        rest: Bytes,
        // How many bytes were given last.
        given: usize,
        asked: Asked,
        sent: Sent,
    }
}

/// What a client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Response,
    /// Its head alone, which is that of a response with a body.
    Head,
}

/// How much is given at once. A client that reads slowly shows it by how long it takes for each.
const PIECE: usize = 16 * 1024;

#[derive(Debug)]
struct Sent {
    exchange: Arc<Connection>,
    ledger: Ledger,
    response: Arc<response::Response>,
    /// Whether the length was told in the head.
    sized: bool,
    /// Whether all of it has been taken.
    whole: bool,
}

impl<F> Answering<F> {
    pub(crate) fn new(answer: Answer<F>, asked: Asked, exchange: Arc<Connection>, ledger: Ledger) -> Self {
        let response = ledger.accept();
        Self { answer, asked, exchange, ledger, response }
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Into<BoxError>,
{
    type Output = Result<Response<Sending<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match catch_unwind(AssertUnwindSafe(|| this.answer.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Ready(Err(error))) => {
                let error = error.into();
                this.exchange.end(EventKind::HandlerFailed { message: chain(&*error) });
                return Poll::Ready(Err(error));
            }
            Err(panic) => {
                this.exchange.end(EventKind::HandlerPanicked { message: message(&*panic) });
                last(StatusCode::INTERNAL_SERVER_ERROR, this.exchange)
            }
        };
        let length = response.body().size_hint().exact();
        let whole = match (response.body().is_end_stream(), *this.asked) {
            (whole, Asked::Response) => whole,
            (true, Asked::Head) => true,
            (false, Asked::Head) => {
                // As hyper does where a body follows.
                if let Some(length) = length {
                    response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
                }
                true
            }
        };
        if !whole {
            // hyper asks for the first of it when the client has room for some.
            this.exchange.sending.wait(this.exchange.table().tick());
        }
        let sent = Sent {
            exchange: Arc::clone(this.exchange),
            ledger: this.ledger.clone(),
            response: Arc::clone(this.response),
            sized: length.is_some(),
            whole,
        };
        let asked = *this.asked;
        Poll::Ready(Ok(response.map(|body| Sending { body, rest: Bytes::new(), given: 0, asked, sent })))
    }
}

impl<B> Body for Sending<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let sending = &this.sent.exchange.sending;
        // hyper asks when the client has taken what was given before.
        sending.pass(std::mem::take(this.given));
        if !this.rest.is_empty() {
            let piece = this.rest.split_to(PIECE.min(this.rest.len()));
            *this.given = piece.len();
            sending.wait(this.sent.exchange.table().tick());
            this.sent.whole = this.rest.is_empty() && this.body.is_end_stream();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let frame = match this.body.as_mut().poll_frame(cx) {
            Poll::Pending => {
                // It is us who are slow.
                sending.rest();
                return Poll::Pending;
            }
            Poll::Ready(Some(Err(error))) => {
                let error = error.into();
                this.sent.exchange.end(EventKind::HandlerFailed { message: chain(&*error) });
                return Poll::Ready(Some(Err(error)));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(None) => {
                this.sent.whole = true;
                return Poll::Ready(None);
            }
        };
        let frame = match frame.into_data() {
            Ok(mut data) => {
                let piece = data.split_to(PIECE.min(data.len()));
                *this.rest = data;
                *this.given = piece.len();
                Frame::data(piece)
            }
            Err(trailers) => trailers,
        };
        sending.wait(this.sent.exchange.table().tick());
        this.sent.whole = frame.is_trailers() || (this.rest.is_empty() && this.body.is_end_stream());
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.asked == Asked::Head || (self.rest.is_empty() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.exchange.sending.rest();
        let exchange = &self.exchange;
        // What the server cuts itself is told by whoever cuts it, and the end of a tunnel by whoever has it.
        if exchange.is_told()
            || exchange.order() >= Order::Close
            || self.ledger.is_closed()
            || exchange.phase() == Phase::Upgraded
        {
            return;
        }
        let cut =
            if self.whole { self.response.give(self.sized) } else { Some(self.response.next(self.sized)) };
        let Some(site) = cut else { return };
        let error = Fault::from(std::io::ErrorKind::ConnectionReset);
        exchange.end(EventKind::SendFailed { site, error });
    }
}

/// The error and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
