//! The proxy as hyper's service for one client connection.

use std::convert::Infallible;
use std::rc::Rc;

use http::{Request, Response};
use hyper::service::{Service, service_fn};
use ostler_http::RequestBody;
use ostler_net::Address;
use ostler_pool::{Factory, Resource};

use crate::body::ResponseBody;
use crate::proxy::{Proxy, Session};

/// What answers the requests of a client's connection to the switchboard.
///
/// Its future has no box: hyper keeps a place for it with the connection, so that a request allocates none.
pub(crate) fn client<F>(
    proxy: Rc<Proxy<F>>,
    session: Rc<Session>,
) -> impl Service<Request<RequestBody>, Response = Response<ResponseBody>, Error = Infallible, Future: 'static>
where
    F: Factory<Resource: Resource<Address = Address>>,
{
    service_fn(move |request| {
        let (proxy, session) = (Rc::clone(&proxy), Rc::clone(&session));
        async move { Ok(proxy.answer(&session, request).await) }
    })
}
