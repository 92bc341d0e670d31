//! From requests to sessions and calls, and back
//! ([specification](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http)).

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::unfold;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::value::RawValue;
use tokio::time::{Instant, Interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::answer::end;
use super::client::Client;
use super::events::{CallEvents, CallRequest, Event, EventId};
use super::handle::{Handled, handle, introduce, names_later_revision};
use super::listen::{LISTENING, Listening};
use super::revision::Revision;
use crate::body::ResponseBody;
use crate::endpoint::Accepts;
use crate::error::RpcError;
use crate::methods::Exchange;
use crate::reply;
use crate::response::{empty, not_allowed, plain, respond, stream};
use crate::stream::{HEARTBEAT, beat};
use crate::wire::{Incoming, Message};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a message is of a revision with sessions. What names the later one in its `_meta` is of that one, whatever else it says.
pub(crate) fn is_meant(headers: &HeaderMap, message: &Message<'_>) -> bool {
    let stateful = match text(headers, &PROTOCOL_VERSION) {
        Some(version) => Revision::named(version).is_some(),
        None => match message {
            Message::Incoming(incoming) => {
                incoming.method == "initialize" || headers.contains_key(&SESSION_ID)
            }
            Message::Response(_) => true,
        },
    };
    stateful && !names_later_revision(message)
}

/// Answers a message.
pub(crate) async fn post(
    exchange: Exchange,
    message: Message<'_>,
    accepts: Accepts,
) -> Response<ResponseBody> {
    let endpoint = &exchange.endpoint;
    if let Message::Incoming(Incoming { id: Some(id), method, params }) = &message
        && method == "initialize"
        && !exchange.headers().contains_key(&SESSION_ID)
    {
        return initialize(&exchange, id, *params);
    }
    let client = match client(&exchange) {
        Ok(client) => client,
        Err(reason) => return reason.respond(),
    };
    match handle(endpoint, &client, message, accepts.events).await {
        Handled::Nothing => empty(StatusCode::ACCEPTED),
        Handled::Refused(error) => {
            respond(reply::error(None, &RpcError { status: StatusCode::BAD_REQUEST, ..error }))
        }
        Handled::Answer(answer) => respond(answer),
        Handled::Events(events) if accepts.events => {
            let begin = EventId { session: events.session(), number: 0 };
            let stays = Stays::new(&exchange, &client, Some(begin.to_string()));
            stream(ResponseBody::events(call_frames(*events, stays)))
        }
        Handled::Events(events) => last(events).await,
    }
}

/// The response of a client that reads no streams: the last message of the call, which is its answer.
async fn last(mut events: Box<CallEvents>) -> Response<ResponseBody> {
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    match last {
        Some(Event { message, .. }) => respond(reply::Answer::of(message)),
        None => empty(StatusCode::ACCEPTED),
    }
}

fn initialize(exchange: &Exchange, id: &RawValue, params: Option<&RawValue>) -> Response<ResponseBody> {
    let endpoint = &exchange.endpoint;
    let (client, answer) = match introduce(endpoint, exchange.caller.clone(), id, params) {
        Ok(introduced) => introduced,
        Err(error) => return respond(reply::error(Some(id), &error)),
    };
    let expires = endpoint.sessions.clock().now().after(endpoint.config.session_ttl);
    let session = client.seal(&endpoint.keys, expires);
    let mut response = respond(answer);
    let session = HeaderValue::from_str(&session).expect("base64 is text");
    response.headers_mut().insert(SESSION_ID, session);
    response
}

/// Why nobody can say whose session it is.
#[derive(Debug, Clone, Copy)]
enum NoSession {
    OtherRevision,
    NotNamed,
    /// Or somebody else's, or over.
    Unknown,
}

impl NoSession {
    fn respond(self) -> Response<ResponseBody> {
        let (status, reason) = match self {
            Self::OtherRevision => {
                (StatusCode::BAD_REQUEST, "that MCP-Protocol-Version is not spoken in a session")
            }
            Self::NotNamed => (StatusCode::BAD_REQUEST, "there is no MCP-Session-Id: initialize first"),
            Self::Unknown => (StatusCode::NOT_FOUND, "there is no such session: initialize again"),
        };
        plain(status, reason)
    }
}

/// Whose session it is.
fn client(exchange: &Exchange) -> Result<Client, NoSession> {
    let (endpoint, headers) = (&exchange.endpoint, exchange.headers());
    if let Some(version) = headers.get(&PROTOCOL_VERSION)
        && version.to_str().ok().and_then(Revision::named).is_none()
    {
        return Err(NoSession::OtherRevision);
    }
    let Some(session) = headers.get(&SESSION_ID) else {
        return Err(NoSession::NotNamed);
    };
    let now = endpoint.sessions.clock().now();
    let client = session
        .to_str()
        .ok()
        .and_then(|session| Client::open(&endpoint.keys, session, &exchange.caller, now))
        .filter(|client| !endpoint.clients.is_ended(client.id));
    client.ok_or(NoSession::Unknown)
}

/// Answers a request that has no message: one for a stream, or for the end of a session. Other revisions have none of these.
pub(crate) async fn without_message(exchange: &Exchange, method: &Method) -> Response<ResponseBody> {
    let (endpoint, headers) = (&exchange.endpoint, exchange.headers());
    let known = [Method::GET, Method::DELETE].contains(method);
    let later = text(headers, &PROTOCOL_VERSION).is_some_and(|version| version == crate::PROTOCOL_VERSION);
    if !known || later || !headers.contains_key(&SESSION_ID) {
        return not_allowed("POST", "requests are sent by POST");
    }
    let client = match client(exchange) {
        Ok(client) => client,
        Err(reason) => return reason.respond(),
    };
    if *method == Method::DELETE {
        end(endpoint, &client).await;
        return empty(StatusCode::NO_CONTENT);
    }
    if !Accepts::read(headers).is_some_and(|accepts| accepts.events) {
        return plain(StatusCode::NOT_ACCEPTABLE, "the client has to accept text/event-stream");
    }
    match headers.get(&LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default()) {
        None => listen(exchange, client, false).await,
        Some(LISTENING) => listen(exchange, client, true).await,
        Some(id) => match resume(exchange, &client, id).await {
            Some(events) => {
                stream(ResponseBody::events(call_frames(events, Stays::new(exchange, &client, None))))
            }
            None => plain(StatusCode::BAD_REQUEST, "there is no stream with that event"),
        },
    }
}

async fn listen(exchange: &Exchange, client: Client, back: bool) -> Response<ResponseBody> {
    // It tells nothing that would be waited for, so no client needs it to the end.
    let draining = Some(exchange.draining.clone());
    let stays = Stays { draining, ..Stays::new(exchange, &client, Some(LISTENING.to_owned())) };
    let listening = Listening::open(&exchange.endpoint, client, back).await;
    stream(ResponseBody::events(listening_frames(listening, stays)))
}

/// The events of a call of `client`'s behind the one with the id `last`.
async fn resume(exchange: &Exchange, client: &Client, last: &str) -> Option<CallEvents> {
    let EventId { session, number } = last.parse().ok()?;
    let endpoint = &exchange.endpoint;
    let streaming = endpoint.clients.streams(session);
    let follower = endpoint.sessions.follow(session, &client.caller.principal, number).await.ok()?;
    let origin = follower.origin();
    if origin.client != client.id {
        return None;
    }
    let request: CallRequest = origin.request.read().ok()?;
    Some(CallEvents::new(client, session, request, follower, streaming))
}

/// How long a stream stays open, and what is sent while nothing happens.
struct Stays {
    /// What comes before everything else.
    first: Option<Bytes>,
    heartbeat: Interval,
    /// When the client is asked to come back for the rest. Clients of older revisions would not.
    until: Option<Instant>,
    /// Fires when it is to end sooner.
    draining: Option<CancellationToken>,
    retry: Duration,
    over: bool,
}

impl Stays {
    /// A stream whose first event has the id `begin`, for clients that know what that is.
    fn new(exchange: &Exchange, client: &Client, begin: Option<String>) -> Self {
        let config = &exchange.endpoint.config;
        let polls = client.revision.polls();
        let first = begin
            .filter(|_| polls)
            .map(|id| Bytes::from(format!("id: {id}\nretry: {}\ndata: \n\n", config.retry.as_millis())));
        Self {
            first,
            heartbeat: beat(config.heartbeat),
            until: polls.then(|| Instant::now() + config.stream_hold),
            draining: polls.then(|| exchange.draining.clone()),
            retry: config.retry,
            over: false,
        }
    }

    /// The next thing to send besides messages.
    async fn next(&mut self) -> Beside {
        let hold = async {
            match self.until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        };
        let draining = async {
            match &self.draining {
                Some(draining) => draining.cancelled().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = draining => Beside::ComeBack,
            () = hold => Beside::ComeBack,
            _ = self.heartbeat.tick() => Beside::Heartbeat,
        }
    }

    /// The last frame of a stream that goes on when the client comes back.
    fn come_back(&mut self) -> Bytes {
        self.over = true;
        format!("retry: {}\n\n", self.retry.as_millis()).into()
    }
}

enum Beside {
    Heartbeat,
    ComeBack,
}

/// A message as an event with an id.
fn frame(id: &str, message: &str) -> Bytes {
    format!("id: {id}\nevent: message\ndata: {message}\n\n").into()
}

fn call_frames(events: CallEvents, stays: Stays) -> impl Stream<Item = Bytes> {
    unfold((events, stays), |(mut events, mut stays)| async move {
        if let Some(first) = stays.first.take() {
            return Some((first, (events, stays)));
        }
        if stays.over {
            return None;
        }
        let bytes = tokio::select! {
            biased;
            event = events.next() => {
                let Event { id, message } = event?;
                stays.heartbeat.reset();
                match id {
                    Some(id) => frame(&id.to_string(), &message),
                    None => crate::stream::frame(&message),
                }
            }
            beside = stays.next() => match beside {
                Beside::Heartbeat => Bytes::from_static(HEARTBEAT),
                Beside::ComeBack => stays.come_back(),
            },
        };
        Some((bytes, (events, stays)))
    })
}

fn listening_frames(listening: Listening, stays: Stays) -> impl Stream<Item = Bytes> {
    unfold((listening, stays), |(mut listening, mut stays)| async move {
        if let Some(first) = stays.first.take() {
            return Some((first, (listening, stays)));
        }
        if stays.over {
            return None;
        }
        let bytes = tokio::select! {
            biased;
            message = listening.next() => frame(LISTENING, &message?),
            beside = stays.next() => match beside {
                Beside::Heartbeat => Bytes::from_static(HEARTBEAT),
                Beside::ComeBack => stays.come_back(),
            },
        };
        Some((bytes, (listening, stays)))
    })
}
