//! Readiness and health over HTTP: a 2xx answer to a GET.

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{HOST, USER_AGENT};
use http::{Request, StatusCode};
use ostler_net::Address;
use ostler_process::Probe;
use ostler_scope::BoxError;
use ostler_upstream::fetch;

/// The longest answer that is read, in bytes. What it says does not matter.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Asks for a path and takes any 2xx for a yes.
#[derive(Clone, Debug)]
pub struct HttpProbe {
    path: Box<str>,
}

/// The server answered, but not with a 2xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GET {path} was answered {status}")]
pub struct NotWell {
    path: Box<str>,
    status: StatusCode,
}

impl HttpProbe {
    /// A probe of `path`, which begins with `/`.
    pub fn new(path: &str) -> Self {
        Self { path: path.into() }
    }

    async fn ask(&self, address: &Address) -> Result<(), BoxError> {
        let request = Request::get(&*self.path)
            .header(HOST, "localhost")
            .header(USER_AGENT, concat!("ostler/", env!("CARGO_PKG_VERSION")))
            .body(())?;
        let status = fetch(address, request, LONGEST_ANSWER).await?.status();
        if status.is_success() { Ok(()) } else { Err(NotWell { path: self.path.clone(), status }.into()) }
    }
}

impl Probe for HttpProbe {
    fn probe<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<(), BoxError>> {
        self.ask(address).boxed()
    }
}
