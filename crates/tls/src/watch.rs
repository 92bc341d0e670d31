//! Certificates that follow their files.

use std::convert::Infallible;
use std::time::Duration;

use ostler_scope::{BoxError, Closed, Scope};

use crate::{Certificates, Refreshed, Standing};

impl Certificates {
    /// Looks every `interval` whether the files have changed, and reads what has, until `scope` halts. What it finds is
    /// logged. A file that is wrong changes nothing: the certificate read before stays in use.
    ///
    /// # Errors
    /// [`Closed`] when the scope is halting.
    pub fn watch(&self, scope: &Scope, interval: Duration) -> Result<(), Closed> {
        let (certificates, handle) = (self.clone(), scope.handle());
        scope.daemon("certificates", async move {
            let mut ticks = tokio::time::interval(interval);
            loop {
                ticks.tick().await;
                // Files may be anywhere, and reading them may take its time: a thread that may wait does it.
                let Some(scope) = handle.upgrade() else { return std::future::pending().await };
                let reading = certificates.clone();
                let read = scope.spawn_blocking("read", move |_| Ok::<_, Infallible>(reading.refresh()));
                drop(scope);
                let refreshed = match read {
                    Ok(read) => read.await?,
                    Err(Closed { .. }) => return std::future::pending().await,
                };
                refreshed.iter().for_each(tell);
            }
            #[expect(unreachable_code, reason = "names the error type")]
            Ok::<(), BoxError>(())
        })
    }
}

fn tell(refreshed: &Refreshed) {
    match refreshed {
        Refreshed::Replaced(files, certificate) => {
            let hosts: Vec<_> = certificate.hosts().iter().map(ToString::to_string).collect();
            tracing::info!(cert = %files.cert.display(), hosts = hosts.join(", "), "certificate replaced");
        }
        Refreshed::Kept(files, error) => {
            let error: &(dyn std::error::Error + 'static) = error;
            tracing::error!(cert = %files.cert.display(), error, "certificate not replaced, the one before stays in use");
        }
        Refreshed::Aged(files, standing) => {
            let cert = files.cert.display();
            match standing {
                Standing::Valid => tracing::info!(%cert, "certificate is valid now"),
                Standing::Early => tracing::warn!(%cert, "certificate is not valid yet"),
                Standing::Expiring => tracing::warn!(%cert, "certificate expires within two weeks"),
                Standing::Expired => tracing::error!(%cert, "certificate has expired, clients refuse it"),
            }
        }
    }
}
