//! One worker's share of the switchboard: from a client's request to its server's response.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use ostler_http::Connection;
use ostler_net::Address;
use ostler_pool::{Factory, Key, Pool, Resource};
use ostler_upstream::SendError;

use crate::body::{RequestBody, ResponseBody};
use crate::config::SwitchboardConfig;
use crate::counters::Counters;
use crate::fields::Fields;
use crate::forwarded::Introduction;
use crate::switchboard::Target;
use crate::tunnel::{Protocol, tunnel};
use crate::way::Way;
use crate::{Problem, Routes, hop, request, trace};

/// One worker's share of the switchboard. It never leaves its thread.
#[derive(Debug)]
pub(crate) struct Proxy<F: Factory> {
    config: Arc<SwitchboardConfig>,
    routes: Arc<Routes<Target>>,
    pool: Pool<F>,
    /// By name as it is written in requests, so that a warm request normalizes nothing.
    remembered: RefCell<HashMap<Bytes, Rc<Way>>>,
    /// By normalized name: two spellings share their connections.
    ways: RefCell<HashMap<String, Rc<Way>>>,
    inventor: RefCell<trace::Inventor>,
    /// The switchboard sums them up.
    counters: Arc<Counters>,
}

/// What is the same for all requests of a client's connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: Arc<Connection>,
    pub(crate) introduction: Introduction,
    /// Whether the client is a proxy whose request ids are believed.
    trusted: bool,
}

impl<F> Proxy<F>
where
    F: Factory<Resource: Resource<Address = Address>>,
{
    pub(crate) fn new(
        config: Arc<SwitchboardConfig>,
        routes: Arc<Routes<Target>>,
        pool: Pool<F>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            config,
            routes,
            pool,
            remembered: RefCell::default(),
            ways: RefCell::default(),
            inventor: RefCell::default(),
            counters,
        }
    }

    pub(crate) fn session(&self, connection: &Arc<Connection>) -> Session {
        let peer = connection.peer();
        Session {
            connection: Arc::clone(connection),
            introduction: Introduction::new(peer, self.config.forwarding, &self.config.trust),
            trusted: self.config.trust.includes(peer.map(|peer| peer.ip())),
        }
    }

    /// Answers a request: with its server's response, or with a problem.
    pub(crate) async fn answer(
        &self,
        session: &Session,
        mut request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let identities = trace::Identities {
            request_id_header: &self.config.request_id_header,
            request_id: self.config.request_id,
            trace_context: self.config.trace_context,
            trusted: session.trusted,
        };
        let fields = Fields::of(request.headers());
        let id = identities.identify(request.headers_mut(), fields, &mut self.inventor.borrow_mut());
        let response = match self.forward(session, request, fields).await {
            Ok(response) => response,
            Err(problem) => {
                self.counters.problem(problem);
                problem.response(id.as_ref().and_then(|id| id.to_str().ok())).map(ResponseBody::own)
            }
        };
        self.counters.response(response.status());
        response
    }

    async fn forward(
        &self,
        session: &Session,
        mut request: Request<Incoming>,
        fields: Fields,
    ) -> Result<Response<ResponseBody>, Problem> {
        let host = request::admit(&mut request, fields)?;
        let way = self.way(&host, request.headers())?;
        let (endpoint, lease) =
            way.lease(&self.pool, &self.config.endpoint, self.config.wait_timeout).await?;

        let protocol = hop::upgrade(request.headers(), fields);
        let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        parts.version = Version::HTTP_11;
        hop::strip(&mut parts.headers, fields);
        if fields.has(Fields::EXPECT) {
            // The client is told to go on when the server's connection takes the first of the body.
            parts.headers.remove(EXPECT);
        }
        session.introduction.introduce(&mut parts.headers, fields, &host);
        if let Some(protocol) = protocol {
            hop::set_upgrade(&mut parts.headers, protocol);
        }
        let body = RequestBody::from(body);

        let mut response =
            endpoint.send(Request::from_parts(parts, body)).await.map_err(|error| unsent(&error))?;
        let fields = Fields::of(response.headers());
        let switched = hop::upgrade(response.headers(), fields);
        hop::strip(response.headers_mut(), fields);
        *response.version_mut() = Version::HTTP_11;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(client), Some(switched)) = (client, switched) else {
                return Err(Problem::UpstreamDied);
            };
            let server = hyper::upgrade::on(&mut response);
            let upgraded = session.connection.upgrade();
            let protocol = Protocol::of(&switched);
            tokio::task::spawn_local(tunnel(client, server, protocol, upgraded, lease));
            hop::set_upgrade(response.headers_mut(), switched);
            return Ok(response.map(|_| ResponseBody::empty()));
        }
        let until_drained = is_event_stream(response.headers()).then(|| Arc::clone(&session.connection));
        Ok(response.map(|reply| ResponseBody::reply(reply, lease, until_drained)))
    }

    /// The way to the server that a request names.
    fn way(&self, host: &HeaderValue, headers: &HeaderMap) -> Result<Rc<Way>, Problem> {
        let naming = &self.config.naming;
        let app = naming.app_header.as_ref().and_then(|header| headers.get(header));
        if app.is_none()
            && let Some(way) = self.remembered.borrow().get(host.as_bytes())
        {
            return Ok(Rc::clone(way));
        }
        let (name, target) = request::names(host, app, naming)
            .find_map(|name| self.routes.find(&name).map(|target| (name, target)))
            .ok_or(Problem::UnknownHost)?;
        let way = self.way_to(name, target);
        if app.is_none() {
            let mut remembered = self.remembered.borrow_mut();
            if remembered.len() >= self.config.remembered_hosts {
                // Strangers choose the spelling of a host; forgetting them all costs each one lookup.
                remembered.clear();
            }
            remembered.insert(Bytes::copy_from_slice(host.as_bytes()), Rc::clone(&way));
        }
        Ok(way)
    }

    fn way_to(&self, name: String, target: &Target) -> Rc<Way> {
        let mut ways = self.ways.borrow_mut();
        let way = ways.entry(name).or_insert_with_key(|name| {
            Rc::new(match target {
                Target::Pooled => Way::pooled(Key::from(name.as_str())),
                Target::Fixed(address) => Way::fixed(address.clone(), self.config.endpoint.clone()),
            })
        });
        Rc::clone(way)
    }

    /// Closes connections unused for too long, and forgets the ways that nobody goes.
    pub(crate) fn sweep(&self) {
        for way in self.ways.borrow().values() {
            way.sweep();
        }
        self.remembered.borrow_mut().retain(|_, way| !way.is_unused());
        self.ways.borrow_mut().retain(|_, way| Rc::strong_count(way) > 1 || !way.is_unused());
    }
}

fn unsent(error: &SendError) -> Problem {
    tracing::info!(error = error as &dyn std::error::Error, "no response from the server");
    match error {
        SendError::Connect { .. } | SendError::ConnectTimedOut { .. } => Problem::Unreachable,
        SendError::Exchange { .. } => Problem::UpstreamDied,
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .get(..EVENT_STREAM.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(EVENT_STREAM))
    })
}
