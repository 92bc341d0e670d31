//! A response body that gives its connection back.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::Endpoint;
use crate::connection::Connection;

/// A response body, streamed. At its end the connection goes back to its [`Endpoint`]; dropped before, it closes.
#[derive(Debug)]
pub struct Reply<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    body: Incoming,
    /// Taken when the connection is given back.
    connection: Option<(Connection<B>, Rc<Endpoint<B>>)>,
    /// The last frame was delivered. A chunked body does not tell otherwise.
    ended: bool,
}

impl<B> Reply<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    pub(crate) fn new(body: Incoming, connection: Connection<B>, endpoint: Rc<Endpoint<B>>) -> Self {
        Self { body, connection: Some((connection, endpoint)), ended: false }
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
        let mut take = |body: &mut Incoming| Pin::new(body).poll_frame(cx);
        let frame = match &this.connection {
            Some((connection, _)) => connection.link.taking(&mut this.body, take, Incoming::is_end_stream),
            None => take(&mut this.body),
        };
        let frame = ready!(frame);
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
            && let Some((connection, endpoint)) = self.connection.take()
        {
            endpoint.give_back(connection);
        }
    }
}
