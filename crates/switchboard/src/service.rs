//! The proxy as hyper's service for one client connection.

use std::convert::Infallible;
use std::rc::Rc;

use futures::future::{FutureExt, LocalBoxFuture};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use ostler_net::Address;
use ostler_pool::{Factory, Resource};

use crate::body::ResponseBody;
use crate::proxy::{Proxy, Session};

/// A client's connection to the switchboard.
#[derive(Debug)]
pub(crate) struct Client<F: Factory> {
    pub(crate) proxy: Rc<Proxy<F>>,
    pub(crate) session: Rc<Session>,
}

impl<F> Service<Request<Incoming>> for Client<F>
where
    F: Factory<Resource: Resource<Address = Address>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (proxy, session) = (Rc::clone(&self.proxy), Rc::clone(&self.session));
        async move { Ok(proxy.answer(&session, request).await) }.boxed_local()
    }
}
