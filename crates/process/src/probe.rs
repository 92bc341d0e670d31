//! What asks a child whether it serves.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use ostler_net::{Address, Stream};
use ostler_scope::BoxError;

/// Asks a server whether it is well, e.g. by a request for `/health`.
///
/// Called again and again while a child starts, with a pause that begins below a millisecond, and later by the pool's health
/// checks. A future that is not ready in time is dropped.
pub trait Probe: Send + Sync + 'static {
    /// `Ok` when the server at `address` serves.
    ///
    /// # Errors
    /// Why it does not, in words for whoever waits for it.
    fn probe<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<(), BoxError>>;
}

/// When a child counts as ready. In both cases only once the port is proven to be its own.
#[derive(Clone)]
pub enum Readiness {
    /// It accepts a connection.
    Accept,
    /// It accepts a connection, and then the probe says so.
    Probe(Arc<dyn Probe>),
}

impl Readiness {
    /// Whether the server at `address` serves right now.
    pub(crate) async fn ask(&self, address: &Address) -> Result<(), BoxError> {
        match self {
            Self::Accept => Ok(Stream::connect(address).await.map(drop)?),
            Self::Probe(probe) => probe.probe(address).await,
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("Accept"),
            Self::Probe(_) => f.write_str("Probe"),
        }
    }
}
