//! A response body that gives its connection back.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use crate::Endpoint;

/// A response body, streamed. At its end the connection goes back to its [`Endpoint`]; dropped before, it closes.
#[derive(Debug)]
pub struct Reply<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    body: Incoming,
    /// Taken when the connection is given back.
    connection: Option<(SendRequest<B>, Rc<Endpoint<B>>)>,
    /// The last frame was delivered. A chunked body does not tell otherwise.
    ended: bool,
}

impl<B> Reply<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    pub(crate) fn new(body: Incoming, sender: SendRequest<B>, endpoint: Rc<Endpoint<B>>) -> Self {
        Self { body, connection: Some((sender, endpoint)), ended: false }
    }
}

impl<B> Body for Reply<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        // Nothing comes behind trailers, and hyper does not ask for it.
        this.ended = match &frame {
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => false,
            None => true,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Reply<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    fn drop(&mut self) {
        if self.is_end_stream()
            && let Some((sender, endpoint)) = self.connection.take()
        {
            endpoint.give_back(sender);
        }
    }
}
