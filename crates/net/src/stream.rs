//! A connected TCP or Unix stream.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::Address;

/// Up to so many bytes, copying them together costs less than handing the system a list.
const GATHERED: usize = 1024;

/// A connected stream, whichever family it is.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, with `TCP_NODELAY` set: a proxy writes whole messages.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// How the other side of a stream has left.
#[derive(Debug)]
pub enum Left {
    /// It sends nothing more. Whether it still reads cannot be known.
    Half,
    /// It neither sends nor reads: it has reset the connection, or closed a Unix socket. With what the operating system says
    /// of it, which it says once.
    Whole(Option<io::Error>),
}

impl Stream {
    /// Connects to `address`.
    ///
    /// Cancel safe: a dropped future closes the half-open socket.
    ///
    /// # Errors
    /// What the operating system says, for example `ConnectionRefused`, or `NotFound` for a Unix socket.
    pub async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }

    /// Waits until there is something to read, or nothing more to come. Cancel safe.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// How the other side has left, if the runtime has heard that it has. What it sent before may still be unread.
    ///
    /// It costs no system call unless the other side has left altogether.
    pub fn left(&self) -> Option<Left> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let mut cx = Context::from_waker(Waker::noop());
        // What is known already is there at the first poll.
        let ready = match self {
            Self::Tcp(stream) => pin!(stream.ready(interest)).poll(&mut cx),
            Self::Unix(stream) => pin!(stream.ready(interest)).poll(&mut cx),
        };
        match ready {
            Poll::Ready(Ok(ready)) if ready.is_write_closed() => Some(Left::Whole(self.take_error())),
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => Some(Left::Half),
            Poll::Ready(Ok(_) | Err(_)) | Poll::Pending => None,
        }
    }

    fn take_error(&self) -> Option<io::Error> {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        };
        error.unwrap_or_else(Some)
    }

    /// Writes what the socket's buffer takes at once, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when the buffer is full, else what the operating system says.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(buf),
            Self::Unix(stream) => stream.try_write(buf),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs {
            return self.poll_write(cx, only);
        }
        let mut gathered = [0; GATHERED];
        if let Some(length) = gather(bufs, &mut gathered) {
            return self.poll_write(cx, &gathered[..length]);
        }
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Copies `bufs` into `gathered` and returns their length, if they fit.
fn gather(bufs: &[io::IoSlice<'_>], gathered: &mut [u8; GATHERED]) -> Option<usize> {
    let mut length = 0;
    for buf in bufs {
        let end = length + buf.len();
        gathered.get_mut(length..end)?.copy_from_slice(buf);
        length = end;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn vectored_writes_of_any_size_arrive_in_order() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut ours = Stream::from(ours);
        for size in [0, 1, GATHERED / 2, GATHERED, GATHERED * 4] {
            let parts = [vec![b'a'; 3], vec![b'b'; size], vec![b'c'; 1]];
            let mut expected = parts.concat();
            let mut slices = [(); 3].map(|()| io::IoSlice::new(&[]));
            for (slice, part) in slices.iter_mut().zip(&parts) {
                *slice = io::IoSlice::new(part);
            }
            let written = ours.write_vectored(&slices).await.unwrap();
            let mut read = vec![0; written];
            theirs.read_exact(&mut read).await.unwrap();
            expected.truncate(written);
            assert_eq!(read, expected, "{size}");
            assert!(written > size, "{size}");
        }
        assert_eq!(ours.write_vectored(&[io::IoSlice::new(b"one")]).await.unwrap(), 3);
    }
}
