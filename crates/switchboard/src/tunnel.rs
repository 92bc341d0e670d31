//! An upgraded connection, such as a WebSocket, between a client and its server.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ostler_http::{Ending, Upgraded};
use ostler_net::Address;
use ostler_pool::Lease;
use tokio::io::copy_bidirectional;

/// Copies both ways until both sides have ended, one of them fails, or the client's server aborts. The lease is held
/// all the while: an open tunnel is use, whether or not anything passes.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    server: OnUpgrade,
    upgraded: Upgraded,
    lease: Option<Lease<Address>>,
) {
    let copying = async {
        let (client, server) = tokio::try_join!(client, server).map_err(std::io::Error::other)?;
        copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await
    };
    tokio::select! {
        copied = copying => match copied {
            Ok((sent, received)) => tracing::debug!(sent, received, "tunnel ended"),
            Err(error) => tracing::debug!(%error, "tunnel broke"),
        },
        () = upgraded.asked_to(Ending::Abort) => tracing::debug!("tunnel aborted"),
    }
    drop(lease);
}
