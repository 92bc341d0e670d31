//! An encrypted stream, once both sides have agreed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ostler_net::Stream;
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;

use crate::Certificates;

/// What is offered, the best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];

const HTTP_2: &[u8] = b"h2";

/// The server's side of TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

/// An encrypted connection of a client.
///
/// Dropping it closes the socket without a `close_notify`; shutting it down sends one.
#[derive(Debug)]
pub struct TlsStream {
    // Boxed: it has more than a KiB of state, and a plain stream beside it in an enum should not.
    stream: Box<tokio_rustls::server::TlsStream<Stream>>,
}

impl Tls {
    /// Encrypts with `certificates`.
    pub fn new(certificates: Certificates) -> Self {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        // Clients keep their sessions themselves: nothing grows here. Without tickets they would be kept in a cache.
        if let Ok(tickets) = ring::Ticketer::new() {
            config.ticketer = tickets;
        }
        Self { acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Shakes hands with the client of `stream`. It has no deadline of its own.
    ///
    /// Cancel safe in that dropping it closes the stream.
    ///
    /// # Errors
    /// The client went away, or what it says is not TLS, or nothing that both sides can do.
    pub async fn accept(&self, stream: Stream) -> io::Result<TlsStream> {
        let stream = self.acceptor.accept(stream).await?;
        Ok(TlsStream { stream: Box::new(stream) })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl TlsStream {
    /// Whether client and server have agreed on HTTP/2. Otherwise it is HTTP/1.1, also when the client did not say.
    pub fn is_http2(&self) -> bool {
        self.stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
    }

    /// The name that the client asked for.
    pub fn server_name(&self) -> Option<&str> {
        self.stream.get_ref().1.server_name()
    }

    /// The socket below.
    pub fn socket(&self) -> &Stream {
        self.stream.get_ref().0
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)) {
            // Hardly any client says goodbye. Whether something was cut off is for HTTP to tell, whose messages have ends of
            // their own.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
