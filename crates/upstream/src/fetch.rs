//! One request on a connection of its own.

use std::io;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ostler_net::{Address, Stream};

/// Why [`fetch`] has no response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody accepts connections there.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: Address,
        /// What the operating system said.
        source: io::Error,
    },
    /// What answers there does not speak HTTP, or closed the connection.
    #[error("{address} gave no HTTP response")]
    Exchange {
        /// Where.
        address: Address,
        /// What hyper saw.
        source: hyper::Error,
    },
    /// The response body is longer than the caller takes.
    #[error("the response of {address} is longer than {limit} bytes")]
    TooLong {
        /// Where.
        address: Address,
        /// The bound, in bytes.
        limit: usize,
        /// What the server answered, for who wants to know no more.
        status: StatusCode,
    },
}

/// Sends a request without a body on a connection of its own and collects up to `limit` bytes of the response.
///
/// Cancel safe: a dropped future closes the connection. It has no timeout of its own.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(
    address: &Address,
    request: Request<()>,
    limit: usize,
) -> Result<Response<Bytes>, FetchError> {
    let exchange = |source| FetchError::Exchange { address: address.clone(), source };
    let stream = Stream::connect(address)
        .await
        .map_err(|source| FetchError::Connect { address: address.clone(), source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(exchange)?;
    let responding = async {
        let response = sender.send_request(request.map(|()| Empty::<Bytes>::new())).await;
        let (parts, body) = response.map_err(exchange)?.into_parts();
        let status = parts.status;
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(source) => Err(exchange(*source)),
                // The limit is the only other error.
                Err(_) => Err(FetchError::TooLong { address: address.clone(), limit, status }),
            },
        }
    };
    // The connection is driven here, not in a task: nothing is left when this future is.
    let mut responding = std::pin::pin!(responding);
    tokio::select! {
        response = &mut responding => response,
        _closed = connection => responding.await,
    }
}
