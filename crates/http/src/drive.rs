//! One connection, from its first byte to its last.

use std::sync::Arc;

use ostler_net::Stream;

use crate::connection::Connection;
use crate::h2::Spawner;
use crate::opening::open;
use crate::{ConnectionService, EventKind, Protocol, ServerConfig, h1, h2};

/// The protocols' settings for every connection of a server.
#[derive(Debug)]
pub(crate) struct Protocols {
    pub(crate) http1: hyper::server::conn::http1::Builder,
    pub(crate) config: Arc<ServerConfig>,
}

impl Protocols {
    pub(crate) fn new(config: &Arc<ServerConfig>) -> Arc<Self> {
        Arc::new(Self { http1: h1::protocol(config), config: Arc::clone(config) })
    }
}

/// Serves `stream` until it ends, or until an order ends it.
pub(crate) async fn drive<S, E>(
    stream: Stream,
    connection: Arc<Connection>,
    service: S,
    protocols: Arc<Protocols>,
) where
    S: ConnectionService,
    E: Spawner<S>,
{
    if connection.peer().is_none() {
        connection.tell(EventKind::PeerAddressUnavailable);
    }
    let config = &protocols.config;
    let Some((io, protocol)) = open(stream, &connection, config.tls.as_ref()).await else { return };
    match protocol {
        Protocol::Http1 => h1::drive(io, connection, service, &protocols.http1).await,
        // Boxed, so that connections that speak HTTP/1 do not carry the room for it.
        Protocol::Http2 => Box::pin(h2::drive::<S, E>(io, connection, service, config)).await,
    }
}
