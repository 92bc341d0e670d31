//! Readiness and health over HTTP: a 2xx answer to a GET.

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{HOST, USER_AGENT};
use http::{Request, StatusCode};
use ostler_net::Address;
use ostler_process::Probe;
use ostler_scope::BoxError;
use ostler_upstream::{FetchError, fetch};

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
        let status = match fetch(address, request, LONGEST_ANSWER).await {
            Ok(response) => response.status(),
            Err(FetchError::TooLong { status, .. }) => status,
            Err(error) => return Err(error.into()),
        };
        if status.is_success() { Ok(()) } else { Err(NotWell { path: self.path.clone(), status }.into()) }
    }
}

impl Probe for HttpProbe {
    fn probe<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<(), BoxError>> {
        self.ask(address).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use ostler_testing::Backend;

    use super::*;

    static LONG: LazyLock<String> = LazyLock::new(|| {
        let page = "x".repeat(2 * LONGEST_ANSWER);
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len())
    });

    #[tokio::test]
    async fn the_length_of_the_answer_does_not_matter() {
        let server = Backend::answering(&LONG).await;
        HttpProbe::new("/").ask(&server.address).await.unwrap();
    }

    #[tokio::test]
    async fn anything_but_a_2xx_is_a_no() {
        let server =
            Backend::answering("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n").await;
        let error = HttpProbe::new("/").ask(&server.address).await.unwrap_err();
        assert_eq!(error.to_string(), "GET / was answered 302 Found");
    }
}
