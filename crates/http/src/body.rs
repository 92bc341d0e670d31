//! A request body on its way to the service, within its bounds.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::HeaderMap;
use hyper::body::Incoming;

use crate::connection::Connection;
use crate::phase::{Order, Phase};
use crate::upload::{Stage, Verdict};
use crate::{EventKind, Fault};

/// A request's body, with its server's bounds on it.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    /// None once it has ended, or if there never was one. Boxed, since most requests have none and all of them are moved.
    open: Option<Box<Open>>,
}

/// What is held while a body comes.
#[derive(Debug)]
struct Open {
    connection: Arc<Connection>,
    /// Its number on that connection.
    exchange: u32,
    /// Whether it has been looked at.
    begun: bool,
    /// How many more bytes it may have.
    left: Option<u64>,
}

/// Why a request body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It broke off, or it was malformed.
    #[error("the request body is malformed or incomplete")]
    Broken(#[source] hyper::Error),
    /// It has more bytes than allowed. The client is answered 413, whatever the service says.
    #[error("the request body is larger than allowed")]
    TooLarge,
    /// It took too long. The client is answered 408, whatever the service says.
    #[error("the request body did not come in time")]
    TooSlow,
}

impl RequestBody {
    /// The body of a request that has come over `connection`, whose only exchange this is.
    pub(crate) fn new(body: Incoming, connection: &Arc<Connection>) -> Self {
        if body.is_end_stream() {
            connection.upload.skip();
            return Self { body, open: None };
        }
        let exchange = connection.upload.open();
        let left = connection.table().config().max_body_size;
        let open = Open { connection: Arc::clone(connection), exchange, begun: false, left };
        Self { body, open: Some(Box::new(open)) }
    }

    fn end(&mut self, stage: Stage) {
        if let Some(open) = self.open.take() {
            open.connection.end_upload(open.exchange, stage);
        }
    }

    /// The request is answered by the server itself. If its service has begun to, the response is cut; a whole one is the last.
    fn condemn(&mut self, verdict: Verdict) -> BodyError {
        if let Some(Open { connection, exchange, .. }) = self.open.as_deref()
            && connection.upload.is_coming(*exchange)
        {
            if let Some(refusal) = verdict.refusal() {
                connection.end(refusal.event());
            }
            connection.upload.condemn(verdict);
            match connection.phase() {
                Phase::Handler => connection.wake(),
                Phase::Body => connection.give(Order::Close),
                Phase::Idle | Phase::Head | Phase::Upload | Phase::Upgraded | Phase::Lingering => {
                    connection.give(Order::Finish);
                }
            }
        }
        self.end(Stage::Dropped);
        BodyError::TooLarge
    }
}

impl Open {
    /// Takes a frame out of what is left, or says what is too large.
    fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), Verdict> {
        if let Some(data) = frame.data_ref() {
            self.connection.upload.pace.pass(data.len());
            if let Some(left) = &mut self.left {
                *left = left.checked_sub(data.len() as u64).ok_or(Verdict::TooLarge)?;
            }
        } else if let Some(trailers) = frame.trailers_ref()
            && let Some(most) = self.connection.table().config().max_trailer_size
            && size(trailers) > most
        {
            return Err(Verdict::TrailersTooLarge);
        }
        Ok(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(open) = &mut this.open else { return Poll::Ready(None) };
        if !open.begun {
            open.begun = true;
            open.connection.upload.begin(open.connection.table().tick());
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => {
                open.connection.upload.pace.wait(open.connection.table().tick());
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => match open.take(&frame) {
                Ok(()) => {
                    if this.body.is_end_stream() {
                        this.end(Stage::Over);
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                Err(verdict) => Poll::Ready(Some(Err(this.condemn(verdict)))),
            },
            Poll::Ready(Some(Err(error))) => {
                if open.connection.upload.verdict() == Verdict::TooSlow {
                    this.end(Stage::Broken);
                    return Poll::Ready(Some(Err(BodyError::TooSlow)));
                }
                // Not if the connection was closed under it: that has a reason of its own.
                if let Some(error) = fault(&error) {
                    open.connection.end(EventKind::BodyReadFailed { error });
                }
                this.end(Stage::Broken);
                Poll::Ready(Some(Err(BodyError::Broken(error))))
            }
            Poll::Ready(None) => {
                this.end(Stage::Over);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end(Stage::Dropped);
    }
}

/// What reading came to, if it was reading that failed.
fn fault(error: &hyper::Error) -> Option<Fault> {
    let source = error.source()?;
    if let Some(error) = source.downcast_ref::<io::Error>() {
        return Some(error.into());
    }
    // Over HTTP/2 the client may take the request back, which is all the same to its body.
    let codec = source.downcast_ref::<::h2::Error>()?;
    Some(codec.get_io().map_or(io::ErrorKind::ConnectionReset.into(), Fault::from))
}

/// The bytes of the fields.
fn size(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
