//! Opening one connection.

use http_body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ostler_net::{Address, Stream};
use tokio::time::timeout;

use crate::io::Patient;
use crate::{EndpointConfig, SendError};

/// Connects and leaves the connection's own task running on this thread. The task ends when the sender is dropped and
/// nothing is in flight, or when the server closes.
pub(crate) async fn open<B>(address: &Address, config: &EndpointConfig) -> Result<SendRequest<B>, SendError>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let after = config.connect_timeout;
    let connecting = timeout(after, Stream::connect(address)).await;
    let stream = connecting
        .map_err(|_| SendError::ConnectTimedOut { address: address.clone(), after })?
        .map_err(|source| SendError::Connect { address: address.clone(), source })?;
    let (sender, connection) = http1::Builder::new()
        .handshake(TokioIo::new(Patient::new(stream)))
        .await
        .map_err(|source| SendError::Exchange { address: address.clone(), source })?;
    let address = address.clone();
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            // The exchange in flight, if any, reports it to its caller.
            tracing::debug!(%address, %error, "upstream connection failed");
        }
    });
    Ok(sender)
}
