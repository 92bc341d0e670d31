//! One thread's connections to one server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use http::{Method, Request, Response};
use http_body::Body;
use ostler_net::Address;
use tokio::time::Instant;

use crate::connection::{Connection, open};
use crate::{EndpointConfig, Reply, SendError};

/// One thread's connections to one generation of a server. A successor gets an endpoint of its own, so that no request
/// meets a connection to its predecessor.
///
/// Must be used on a tokio `LocalRuntime` or `LocalSet`.
#[derive(Debug)]
pub struct Endpoint<B> {
    address: Address,
    config: EndpointConfig,
    /// Unused connections; the most recently used one is last and is taken first, so that a burst's extra ones grow
    /// old and are closed.
    idle: RefCell<Vec<Idle<B>>>,
    /// When the last sweep was: unused connections are dated with it rather than with a clock read each.
    swept: Cell<Instant>,
}

/// Whether a request may be sent a second time when the connection it went out on turns out to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It asks for a switch of protocols, or means something that the method does not tell.
    Never,
    /// If its method is idempotent (RFC 9110, section 9.2.2) and it has no body.
    IfIdempotent,
}

#[derive(Debug)]
struct Idle<B> {
    connection: Connection<B>,
    since: Instant,
}

impl<B> Endpoint<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Default + 'static,
{
    /// Connections to `address`; none is opened yet.
    pub fn new(address: Address, config: EndpointConfig) -> Rc<Self> {
        let idle = RefCell::default();
        Rc::new(Self { address, config, idle, swept: Cell::new(Instant::now()) })
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Unused connections.
    pub fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Sends `request`, on an unused connection if there is one. The URI must be in origin form.
    ///
    /// The server may have closed an unused connection just as the request went out. A request that was not written is
    /// then sent on another one; a request that was is repeated once on a new one, if `repeat` allows it, and it is
    /// idempotent and has no body.
    ///
    /// Dropping the future, or the returned body before its end, closes the connection and so cancels the exchange.
    ///
    /// # Errors
    /// See [`SendError`]. There is no timeout for the response.
    pub async fn send(
        self: &Rc<Self>,
        request: Request<B>,
        repeat: Repeat,
    ) -> Result<Response<Reply<B>>, SendError> {
        let mut request = request;
        while let Some(mut connection) = self.take() {
            connection.link.set_repeatable(repeat == Repeat::IfIdempotent && is_repeatable(&request));
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.reply(response, connection)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.exchange(failed.into_error())),
                },
            }
        }
        // Boxed, so that the requests that find a connection, which are nearly all, do not carry the room for it.
        let mut connection = Box::pin(open(&self.address, &self.config)).await?;
        match connection.sender.send_request(request).await {
            Ok(response) => Ok(self.reply(response, connection)),
            Err(error) => Err(self.exchange(error)),
        }
    }

    /// Closes connections that have been unused for too long. Call it every now and then, such as once a second.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.swept.set(now);
        let timeout = self.config.idle_timeout;
        self.idle
            .borrow_mut()
            .retain(|idle| !idle.connection.sender.is_closed() && now - idle.since < timeout);
    }

    fn take(&self) -> Option<Connection<B>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { connection, .. }) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Takes a connection back whose exchange has ended.
    pub(crate) fn give_back(self: &Rc<Self>, connection: Connection<B>) {
        if connection.sender.is_ready() {
            self.keep(connection);
        } else if !connection.sender.is_closed() {
            // The response ended before the connection's task noticed, or before the request body ended.
            let mut connection = connection;
            let endpoint = Rc::downgrade(self);
            tokio::task::spawn_local(async move {
                if connection.sender.ready().await.is_ok()
                    && let Some(endpoint) = endpoint.upgrade()
                {
                    endpoint.keep(connection);
                }
            });
        }
    }

    fn keep(&self, connection: Connection<B>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.config.max_idle {
            idle.push(Idle { connection, since: self.swept.get() });
        }
    }

    fn reply(
        self: &Rc<Self>,
        response: Response<hyper::body::Incoming>,
        connection: Connection<B>,
    ) -> Response<Reply<B>> {
        response.map(|body| Reply::new(body, connection, Rc::clone(self)))
    }

    fn exchange(&self, source: hyper::Error) -> SendError {
        SendError::Exchange { address: self.address.clone(), source }
    }
}

/// Whether sending `request` twice does what sending it once does, and it has no body that would be gone.
fn is_repeatable<B: Body>(request: &Request<B>) -> bool {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    idempotent && request.body().is_end_stream()
}
