//! One thread's connections to one server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Body;
use hyper::client::conn::http1::SendRequest;
use ostler_net::Address;
use tokio::time::Instant;

use crate::connection::open;
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

#[derive(Debug)]
struct Idle<B> {
    sender: SendRequest<B>,
    since: Instant,
}

/// What is needed to send a request once more.
struct Replay {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
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
    /// then sent on another one; a request that was is repeated once on a new one, if it is idempotent and has no body.
    ///
    /// Dropping the future, or the returned body before its end, closes the connection and so cancels the exchange.
    ///
    /// # Errors
    /// See [`SendError`]. There is no timeout for the response.
    pub async fn send(self: &Rc<Self>, request: Request<B>) -> Result<Response<Reply<B>>, SendError> {
        let mut request = request;
        while let Some(mut sender) = self.take() {
            let replay = Replay::of(&request);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.reply(response, sender)),
                Err(mut failed) => match (failed.take_message(), replay) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(replay)) => {
                        request = replay.request();
                        break;
                    }
                    (None, None) => return Err(self.exchange(failed.into_error())),
                },
            }
        }
        // Boxed, so that the requests that find a connection, which are nearly all, do not carry the room for it.
        let mut sender = Box::pin(open(&self.address, &self.config)).await?;
        match sender.send_request(request).await {
            Ok(response) => Ok(self.reply(response, sender)),
            Err(error) => Err(self.exchange(error)),
        }
    }

    /// Closes connections that have been unused for too long. Call it every now and then, such as once a second.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.swept.set(now);
        let timeout = self.config.idle_timeout;
        self.idle.borrow_mut().retain(|idle| !idle.sender.is_closed() && now - idle.since < timeout);
    }

    fn take(&self) -> Option<SendRequest<B>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { sender, .. }) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Takes a connection back whose exchange has ended.
    pub(crate) fn give_back(self: &Rc<Self>, sender: SendRequest<B>) {
        if sender.is_ready() {
            self.keep(sender);
        } else if !sender.is_closed() {
            // The response ended before the connection's task noticed, or before the request body ended.
            let mut sender = sender;
            let endpoint = Rc::downgrade(self);
            tokio::task::spawn_local(async move {
                if sender.ready().await.is_ok()
                    && let Some(endpoint) = endpoint.upgrade()
                {
                    endpoint.keep(sender);
                }
            });
        }
    }

    fn keep(&self, sender: SendRequest<B>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.config.max_idle {
            idle.push(Idle { sender, since: self.swept.get() });
        }
    }

    fn reply(
        self: &Rc<Self>,
        response: Response<hyper::body::Incoming>,
        sender: SendRequest<B>,
    ) -> Response<Reply<B>> {
        response.map(|body| Reply::new(body, sender, Rc::clone(self)))
    }

    fn exchange(&self, source: hyper::Error) -> SendError {
        SendError::Exchange { address: self.address.clone(), source }
    }
}

impl Replay {
    /// None when sending `request` twice could do something twice, or when its body would be gone.
    fn of<B: Body>(request: &Request<B>) -> Option<Self> {
        let idempotent = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
        );
        let switches = request.headers().contains_key(http::header::UPGRADE);
        (idempotent && !switches && request.body().is_end_stream()).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    fn request<B: Default>(self) -> Request<B> {
        let mut request = Request::new(B::default());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}
