//! The bodies on their way: a client's to its server, a server's to its client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use ostler_net::Address;
use ostler_pool::{Lease, Slot};
use ostler_upstream::Reply;

use crate::endless::Endless;
use crate::trailers;

/// A request body on its way to a server.
#[derive(Debug, Default)]
pub(crate) enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// As it comes from the client.
    Streamed {
        body: Incoming,
        #[expect(dead_code, reason = "held for its Drop")]
        lease: Option<Rc<Lease<Address>>>,
    },
}

/// A server's lease while an exchange lasts.
#[derive(Debug)]
pub(crate) enum Held {
    /// Over when the response is.
    Alone(Lease<Address>),
    /// Over when both bodies are: a server may answer before it has the whole request.
    Shared(Rc<Lease<Address>>),
}

/// A response body on its way to the client. It holds the server's lease until its last byte, or until it is dropped.
#[derive(Debug)]
pub struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    /// What a server answers.
    Reply {
        // Before the lease, so that the exchange is over when the lease is given back.
        reply: Reply<RequestBody>,
        #[expect(dead_code, reason = "held for its Drop")]
        lease: Option<Held>,
        /// Set for a stream that has no end of its own.
        endless: Option<Box<Endless>>,
    },
    /// What the switchboard itself answers.
    Own(Option<Bytes>),
}

// === impl RequestBody ===

impl RequestBody {
    /// A client's body, and how the server's lease is held for it.
    pub(crate) fn new(body: Incoming, lease: Option<Lease<Address>>) -> (Self, Option<Held>) {
        if body.is_end_stream() {
            return (Self::Empty, lease.map(Held::Alone));
        }
        let lease = lease.map(Rc::new);
        (Self::Streamed { body, lease: lease.clone() }, lease.map(Held::Shared))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streamed { body, .. } => cleaned(Pin::new(body).poll_frame(cx)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed { body, .. } => body.size_hint(),
        }
    }
}

// === impl Held ===

impl Held {
    /// The server's slot, which tells when it is to go.
    pub(crate) fn slot(&self) -> &Slot<Address> {
        match self {
            Self::Alone(lease) => lease.slot(),
            Self::Shared(lease) => lease.slot(),
        }
    }
}

// === impl ResponseBody ===

impl ResponseBody {
    pub(crate) fn reply(
        reply: Reply<RequestBody>,
        lease: Option<Held>,
        endless: Option<Box<Endless>>,
    ) -> Self {
        Self(Kind::Reply { reply, lease, endless })
    }

    pub(crate) fn own(body: Bytes) -> Self {
        Self(Kind::Own(Some(body)))
    }

    pub(crate) fn empty() -> Self {
        Self(Kind::Own(None))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Reply { reply, endless, .. } => {
                if let Some(endless) = endless
                    && endless.is_over(cx)
                {
                    return Poll::Ready(None);
                }
                cleaned(Pin::new(reply).poll_frame(cx))
            }
            Kind::Own(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Reply { reply, .. } => reply.is_end_stream(),
            Kind::Own(body) => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Reply { reply, .. } => reply.size_hint(),
            Kind::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
        }
    }
}

type FramePoll = Poll<Option<Result<Frame<Bytes>, hyper::Error>>>;

/// Takes out of trailers what must not be in them.
fn cleaned(mut polled: FramePoll) -> FramePoll {
    if let Poll::Ready(Some(Ok(frame))) = &mut polled
        && let Some(trailers) = frame.trailers_mut()
    {
        trailers::clean(trailers);
    }
    polled
}
