//! Why a request got no response.

use std::io;
use std::time::Duration;

use ostler_net::Address;

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nobody accepts connections there. The request was not sent.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: Address,
        /// What the operating system said.
        source: io::Error,
    },
    /// No connection within [`EndpointConfig::connect_timeout`](crate::EndpointConfig::connect_timeout). The request
    /// was not sent.
    #[error("no connection to {address} within {after:?}")]
    ConnectTimedOut {
        /// Where.
        address: Address,
        /// The bound that passed.
        after: Duration,
    },
    /// The connection failed before the response head was complete. The server may have seen the request.
    #[error("{address} closed the connection without a response")]
    Exchange {
        /// Where.
        address: Address,
        /// What hyper saw.
        source: hyper::Error,
    },
}
