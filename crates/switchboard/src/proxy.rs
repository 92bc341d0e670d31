//! One worker's share of the switchboard: from a client's request to its server's response.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use ostler_http::{Connection, RequestBody as Received};
use ostler_net::Address;
use ostler_pool::{Factory, Key, Pool, Resource};
use ostler_upstream::{Repeat, SendError};

use crate::body::{RequestBody, ResponseBody};
use crate::claims::Claims;
use crate::config::SwitchboardConfig;
use crate::counters::Counters;
use crate::endless::{self, Endless};
use crate::fields::Fields;
use crate::forwarded::Introduction;
use crate::problem::Refusal;
use crate::request::Unfit;
use crate::switchboard::Target;
use crate::tunnel::{Protocol, tunnel};
use crate::way::Way;
use crate::ways::Ways;
use crate::websocket::{self, Handshake};
use crate::{Problem, Routes, hop, request, trace};

/// One worker's share of the switchboard. It never leaves its thread.
#[derive(Debug)]
pub(crate) struct Proxy<F: Factory> {
    config: Arc<SwitchboardConfig>,
    routes: Arc<Routes<Target>>,
    pool: Pool<F>,
    ways: RefCell<Ways>,
    inventor: RefCell<trace::Inventor>,
    claims: Claims,
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
        let ways = RefCell::new(Ways::new(config.remembered_hosts));
        let claims = Claims::new(config.request_id_header.clone());
        Self { config, routes, pool, ways, inventor: RefCell::default(), claims, counters }
    }

    pub(crate) fn session(&self, connection: &Arc<Connection>) -> Session {
        let peer = connection.peer();
        let introduction = Introduction::new(peer, self.config.forwarding, &self.config.trust);
        Session {
            connection: Arc::clone(connection),
            introduction: if self.config.server.tls.is_some() {
                introduction.over_tls()
            } else {
                introduction
            },
            trusted: self.config.trust.includes(peer.map(|peer| peer.ip())),
        }
    }

    /// Answers a request: with its server's response, or with a problem.
    pub(crate) async fn answer(
        &self,
        session: &Session,
        mut request: Request<Received>,
    ) -> Response<ResponseBody> {
        let identities = trace::Identities {
            request_id_header: &self.config.request_id_header,
            request_id: self.config.request_id,
            trace_context: self.config.trace_context,
            trusted: session.trusted,
        };
        let stream = Connection::take_stream(&mut request);
        let connection = stream.as_ref().unwrap_or(&session.connection);
        let fields = Fields::of_request(request.headers(), &self.claims);
        let id = identities.identify(request.headers_mut(), fields, &mut self.inventor.borrow_mut());
        let host = request::admit(&mut request, fields, self.config.max_passes);
        let forwarded = match &host {
            Ok(host) => self.forward(session, connection, request, fields, host).await,
            Err(unfit) => {
                if let Unfit::Refused(refusal) = unfit {
                    connection.refused(*refusal);
                }
                Err(Problem::from(*unfit).into())
            }
        };
        let response = match forwarded {
            Ok(response) => response,
            Err(refusal) => {
                self.counters.problem(refusal.problem);
                let id = id.as_ref().and_then(|id| id.to_str().ok());
                refusal.log(id, host.as_ref().ok().and_then(|host| host.to_str().ok()));
                refusal.problem.response(id).map(ResponseBody::own)
            }
        };
        self.counters.response(response.status());
        response
    }

    async fn forward(
        &self,
        session: &Session,
        connection: &Arc<Connection>,
        mut request: Request<Received>,
        fields: Fields,
        host: &HeaderValue,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let way = self.way(host, request.headers())?;
        let (endpoint, lease) =
            way.lease(&self.pool, &self.config.endpoint, self.config.wait_timeout).await?;

        // RFC 9110, section 7.8: an HTTP/1.0 client cannot ask for it.
        let may_switch = request.version() == Version::HTTP_11;
        let protocol = hop::upgrade(request.headers(), fields).filter(|_| may_switch);
        let handshake = websocket::is_asked(&request).then(Handshake::new);
        let client = (protocol.is_some() || handshake.is_some()).then(|| hyper::upgrade::on(&mut request));
        let received = request.version();
        let is_get = *request.method() == Method::GET;
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        if received == Version::HTTP_2 {
            hop::join_cookies(headers);
        }
        if fields.has(Fields::CLAIMS) {
            self.claims.clean(headers, session.introduction.believes());
        }
        hop::strip(headers, fields, &self.config.request_id_header);
        if fields.has(Fields::EXPECT) {
            // The client is told to go on when the server's connection takes the first of the body.
            headers.remove(EXPECT);
        }
        session.introduction.introduce(headers, fields, host, received);
        let repeat = if client.is_some() { Repeat::Never } else { Repeat::IfIdempotent };
        if let Some(protocol) = protocol {
            hop::set_upgrade(headers, protocol);
        }
        if fields.has(Fields::TE) {
            hop::name_te(headers);
        }
        let handshake = handshake.map(|(handshake, key)| {
            Handshake::ask(&mut request, key);
            handshake
        });
        if request.body().size_hint().exact().is_none() {
            // hyper would frame it by itself, but not for the methods that hardly ever have one.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut held = None;
        let request = request.map(|body| {
            let (body, lease) = RequestBody::new(body, lease);
            held = lease;
            body
        });

        let mut response = endpoint.send(request, repeat).await.map_err(unsent)?;
        if handshake.as_ref().is_some_and(|handshake| !handshake.fits(&response)) {
            return Err(Problem::UpstreamDied.into());
        }
        let fields = Fields::of(response.headers());
        let switched = hop::upgrade(response.headers(), fields);
        let required = match response.status() {
            StatusCode::UPGRADE_REQUIRED if may_switch => hop::required(response.headers(), fields),
            _ => None,
        };
        hop::strip(response.headers_mut(), fields, &self.config.request_id_header);
        *response.version_mut() = Version::HTTP_11;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(client), Some(switched)) = (client, switched) else {
                return Err(Problem::UpstreamDied.into());
            };
            let server = hyper::upgrade::on(&mut response);
            let upgraded = connection.upgrade();
            let protocol = Protocol::of(&switched);
            let half_closed = self.config.half_closed_timeout;
            let dismissed = endless::dismissed(held.as_ref());
            tokio::task::spawn_local(tunnel(
                client,
                server,
                protocol,
                upgraded,
                held,
                dismissed,
                half_closed,
            ));
            match handshake {
                Some(_) => Handshake::finish(&mut response),
                None => hop::set_upgrade(response.headers_mut(), switched),
            }
            return Ok(response.map(|_| ResponseBody::empty()));
        }
        if let Some(required) = required {
            hop::set_upgrade(response.headers_mut(), required);
        }
        // An event stream that is the answer to something else, such as a call of a tool, ends when that is answered, and is a
        // response in flight like any other.
        let is_long = response.body().size_hint().exact().is_none();
        let endless = if is_long && is_get && is_event_stream(response.headers()) {
            Some(Endless::new(connection, held.as_ref()))
        } else {
            None
        };
        Ok(response.map(|reply| ResponseBody::reply(reply, held, endless)))
    }

    /// The way to the server that a request names.
    fn way(&self, host: &HeaderValue, headers: &HeaderMap) -> Result<Rc<Way>, Problem> {
        let naming = &self.config.naming;
        let app = naming.app_header.as_ref().and_then(|header| headers.get(header));
        if app.is_none()
            && let Some(way) = self.ways.borrow().spelled(host.as_bytes())
        {
            return Ok(way);
        }
        let (name, target) = request::names(host, app, naming)?
            .find_map(|name| self.routes.find(&name).map(|target| (name, target)))
            .ok_or(Problem::UnknownHost)?;
        let mut ways = self.ways.borrow_mut();
        let way = ways.named(name, |name| match target {
            Target::Pooled => Way::pooled(Key::from(name)),
            Target::Fixed(address) => Way::fixed(address.clone(), self.config.endpoint.clone()),
        });
        if app.is_none() {
            ways.remember(host.as_bytes(), &way);
        }
        Ok(way)
    }

    /// Closes connections unused for too long, and forgets the ways that nobody goes.
    pub(crate) fn sweep(&self) {
        self.ways.borrow_mut().sweep();
    }
}

fn unsent(error: SendError) -> Refusal {
    let problem = match &error {
        // It is the request's body that failed, on its way from the client.
        SendError::Exchange { source, .. } if source.is_user() => {
            Problem::BadRequest("the request body is malformed or incomplete")
        }
        SendError::Connect { .. } | SendError::ConnectTimedOut { .. } => Problem::Unreachable,
        SendError::Exchange { .. } => Problem::UpstreamDied,
    };
    Refusal::new(problem, error)
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
