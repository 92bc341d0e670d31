//! Response bodies: one message, or a stream of them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http_body::{Body, Frame, SizeHint};

use crate::limits::Admitted;
use crate::stream::Piece;

/// A response body: one message, or a stream of them as server-sent events.
pub struct ResponseBody {
    kind: Kind,
    /// Counts the request as under way.
    admitted: Option<Admitted>,
}

enum Kind {
    Whole(Option<Bytes>),
    Events(BoxStream<'static, Bytes>),
}

impl ResponseBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { kind: Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), admitted: None }
    }

    pub(crate) fn pieces(pieces: impl Stream<Item = Piece> + Send + 'static) -> Self {
        Self::events(pieces.map(Piece::frame))
    }

    pub(crate) fn events(events: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { kind: Kind::Events(events.boxed()), admitted: None }
    }

    /// Counts the request as under way until the body is dropped.
    pub(crate) fn counted(mut self, admitted: Option<Admitted>) -> Self {
        self.admitted = admitted;
        self
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Events(events) => events.poll_next_unpin(cx).map(|event| event.map(Frame::data).map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Events(_) => SizeHint::new(),
        }
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Whole(bytes) => write!(f, "ResponseBody({:?} bytes)", bytes.as_ref().map(Bytes::len)),
            Kind::Events(_) => f.write_str("ResponseBody(events)"),
        }
    }
}
