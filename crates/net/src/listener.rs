//! A bound TCP or Unix listener.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::inherit::{Bequest, Bound, FileOwner, Passed, Socket};
use crate::{Address, Stream};

/// A bound socket that accepts. Dropping it closes it, and removes the file of a Unix socket that it has bound itself.
#[derive(Debug)]
pub struct Listener {
    /// Strong here alone: whoever has a [`Bequest`] does not keep it open.
    bound: Arc<Bound>,
    /// Where it is bound: the port the system chose for port 0.
    address: Address,
}

/// An accepted connection that belongs to no runtime yet: it can be handed to another thread.
#[derive(Debug)]
pub struct Accepted {
    socket: OwnedFd,
    /// The client's address. A Unix client has none.
    pub peer: Option<SocketAddr>,
    /// What `socket` is, since a file descriptor does not tell.
    family: Family,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    Tcp,
    Unix,
}

// === impl Listener ===

impl Listener {
    /// Binds `address`. Port 0 lets the system choose; [`Listener::address`] says what it chose. The file of a Unix
    /// socket that nobody accepts on is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there or the path is a file of another kind, else what the operating system
    /// says.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted).await?;
                let address = Address::Tcp(listener.local_addr()?);
                Ok(Self { bound: Arc::new(Bound::new(Socket::Tcp(listener), None)), address })
            }
            Address::Unix(path) => {
                let listener = match UnixListener::bind(path) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                        if !is_dead_socket(path).await {
                            return Err(error);
                        }
                        std::fs::remove_file(path)?;
                        UnixListener::bind(path)?
                    }
                    other => other?,
                };
                let bound = Bound::new(Socket::Unix(listener), Some((path.clone(), FileOwner::Us)));
                Ok(Self { bound: Arc::new(bound), address: address.clone() })
            }
        }
    }

    /// Accepts on a socket that somebody else has bound.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn adopt(passed: Passed) -> io::Result<Self> {
        let (bound, address) = passed.into_bound()?;
        Ok(Self { bound: Arc::new(bound), address })
    }

    /// A way to its socket for the one who is to accept here after us.
    pub fn bequest(&self) -> Bequest {
        Bequest::of(&self.bound)
    }

    /// Whether another process accepts here from now on: see [`Bequest::hand_over`]. Who has connected and was not accepted yet
    /// is in good hands then.
    pub fn is_handed_over(&self) -> bool {
        self.bound.is_handed_over()
    }

    /// Where it is bound.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next connection. Cancel safe: no accepted connection is lost.
    ///
    /// # Errors
    /// What `accept(2)` says. Errors such as `ECONNABORTED` or `EMFILE` are not the listener's end.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match &self.bound.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // It fails for a client that has gone already, and the first read tells that.
                let _ = stream.set_nodelay(true);
                Ok((stream.into(), Some(peer)))
            }
            Socket::Unix(listener) => Ok((listener.accept().await?.0.into(), None)),
        }
    }
}

// === impl Accepted ===

impl Accepted {
    /// Takes an accepted connection from the runtime that accepted it.
    ///
    /// # Errors
    /// What the operating system says; the connection is closed then.
    pub fn detach(stream: Stream, peer: Option<SocketAddr>) -> io::Result<Self> {
        Ok(match stream {
            Stream::Tcp(stream) => Self { socket: stream.into_std()?.into(), peer, family: Family::Tcp },
            Stream::Unix(stream) => Self { socket: stream.into_std()?.into(), peer, family: Family::Unix },
        })
    }

    /// Registers the connection with the runtime of the calling thread.
    ///
    /// # Errors
    /// What the operating system says; the connection is closed then.
    pub fn attach(self) -> io::Result<Stream> {
        match self.family {
            Family::Tcp => Ok(TcpStream::from_std(self.socket.into())?.into()),
            Family::Unix => Ok(UnixStream::from_std(self.socket.into())?.into()),
        }
    }
}

/// Whether `path` is a socket that nobody accepts on. Only a refused connection says so: a live server whose queue is full
/// gives another error, and so does a file of another kind, which may be precious.
async fn is_dead_socket(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).await.as_ref().is_err_and(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_moves_to_another_runtime() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut client = Stream::connect(listener.address()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let accepted = Accepted::detach(stream, peer).unwrap();
        assert!(accepted.peer.is_some());
        let server = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async { accepted.attach().unwrap().write_all(b"hello").await.unwrap() });
        });
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        server.join().unwrap();
        assert_eq!(said, "hello");
    }

    #[tokio::test]
    async fn a_dead_unix_socket_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("ostler-net-{}.sock", std::process::id()));
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&address).await.unwrap();
        let taken = Listener::bind(&address).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_not_replaced() {
        let path = std::env::temp_dir().join(format!("ostler-net-{}.txt", std::process::id()));
        std::fs::write(&path, "precious").unwrap();
        let refused = Listener::bind(&Address::Unix(path.clone())).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(path).unwrap();
    }
}
