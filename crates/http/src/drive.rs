//! One connection, from its first byte to its last.

use std::sync::Arc;

use ostler_net::Stream;

use crate::connection::Connection;
use crate::io::Watched;
use crate::{ConnectionService, ServerConfig, h1};

/// The protocols' settings for every connection of a server.
#[derive(Debug)]
pub(crate) struct Protocols {
    pub(crate) http1: hyper::server::conn::http1::Builder,
}

impl Protocols {
    pub(crate) fn new(config: &ServerConfig) -> Arc<Self> {
        Arc::new(Self { http1: h1::protocol(config) })
    }
}

/// Serves `stream` until it ends, or until an order ends it.
pub(crate) async fn drive<S: ConnectionService>(
    stream: Stream,
    connection: Arc<Connection>,
    service: S,
    protocols: Arc<Protocols>,
) {
    h1::drive(Watched::new(stream, Arc::clone(&connection)), connection, service, &protocols.http1).await;
}
