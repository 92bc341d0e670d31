//! The bytes of a connection, encrypted or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use ostler_net::Stream;
use ostler_tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's stream, from which bytes can be looked at and given back.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    /// What was read and given back; it is read again first.
    unread: Bytes,
}

#[derive(Debug)]
enum Socket {
    Plain(Stream),
    Encrypted(TlsStream),
}

impl Transport {
    /// Gives `bytes` back, to be read again. Nothing else has been read meanwhile.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.unread = bytes;
    }

    /// Writes what is taken at once, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is, else what the operating system says.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Plain(stream) => stream.try_write(bytes),
            Socket::Encrypted(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                let Poll::Ready(count) = Pin::new(&mut *stream).poll_write(&mut cx, bytes)? else {
                    return Err(io::ErrorKind::WouldBlock.into());
                };
                // What does not go out now goes with what is written next, or with the end.
                let _ = Pin::new(stream).poll_flush(&mut cx)?;
                Ok(count)
            }
        }
    }

    /// Whether the socket below has room again after it had none.
    pub(crate) fn is_writable(&self, cx: &mut Context<'_>) -> bool {
        let polled = match self.socket() {
            Stream::Tcp(stream) => stream.poll_write_ready(cx),
            Stream::Unix(stream) => stream.poll_write_ready(cx),
        };
        polled.is_ready()
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &Stream {
        match &self.socket {
            Socket::Plain(stream) => stream,
            Socket::Encrypted(stream) => stream.socket(),
        }
    }
}

impl From<Stream> for Transport {
    fn from(stream: Stream) -> Self {
        Self { socket: Socket::Plain(stream), unread: Bytes::new() }
    }
}

impl From<TlsStream> for Transport {
    fn from(stream: TlsStream) -> Self {
        Self { socket: Socket::Encrypted(stream), unread: Bytes::new() }
    }
}

/// An encrypted transport and its client.
#[cfg(test)]
pub(crate) async fn encrypted() -> (Transport, ostler_testing::Encrypted) {
    use ostler_testing::{Encrypted, SelfSigned};
    use ostler_tls::{CertificateFiles, Certificates, Tls};

    let made = SelfSigned::new(&["a.localhost"]);
    let files = CertificateFiles { cert: made.cert.clone(), key: made.key.clone() };
    let tls = Tls::new(Certificates::load(&[files]).unwrap());
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let shaking = Encrypted::over(Stream::from(theirs), "a.localhost", &[]);
    let (stream, client) = tokio::join!(tls.accept(Stream::from(ours)), shaking);
    (Transport::from(stream.unwrap()), client.unwrap())
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unread.is_empty() {
            let count = this.unread.len().min(buf.remaining());
            buf.put_slice(&this.unread[..count]);
            this.unread.advance(count);
            return Poll::Ready(Ok(()));
        }
        match &mut this.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Encrypted(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Encrypted(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(stream) => stream.is_write_vectored(),
            Socket::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
