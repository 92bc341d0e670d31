//! Opening one connection.

use std::sync::Arc;

use http_body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ostler_net::{Address, Stream};
use tokio::time::timeout;

use crate::io::Persistent;
use crate::link::Link;
use crate::{EndpointConfig, SendError};

/// A connection that nobody else uses.
#[derive(Debug)]
pub(crate) struct Connection<B> {
    pub(crate) sender: SendRequest<B>,
    pub(crate) link: Arc<Link>,
}

/// Connects and leaves the connection's own task running on this thread. The task ends when the sender is dropped and
/// nothing is in flight, or when the server closes.
pub(crate) async fn open<B>(address: &Address, config: &EndpointConfig) -> Result<Connection<B>, SendError>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let after = config.connect_timeout;
    let connecting = timeout(after, Stream::connect(address)).await;
    let stream = connecting
        .map_err(|_| SendError::ConnectTimedOut { address: address.clone(), after })?
        .map_err(|source| SendError::Connect { address: address.clone(), source })?;
    let link = Arc::<Link>::default();
    let io = Persistent::new(stream, address.clone(), after, Arc::clone(&link));
    let (sender, connection) = http1::Builder::new()
        .handshake(TokioIo::new(io))
        .await
        .map_err(|source| SendError::Exchange { address: address.clone(), source })?;
    let address = address.clone();
    let driving = Arc::clone(&link).drive(connection.with_upgrades());
    tokio::task::spawn_local(async move {
        if let Err(error) = driving.await {
            // The exchange in flight, if any, reports it to its caller.
            tracing::debug!(%address, %error, "upstream connection failed");
        }
    });
    Ok(Connection { sender, link })
}
