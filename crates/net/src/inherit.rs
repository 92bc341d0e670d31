//! Listening sockets that pass from one process to another: the socket stays, and with it whoever has connected.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::net::{TcpListener, UnixListener};

use crate::Address;

/// A listening socket that somebody else has bound, before this process uses it.
#[derive(Debug)]
pub struct Passed {
    socket: OwnedFd,
    address: Address,
    file: FileOwner,
}

/// Who removes the file of a Unix socket at the end. Of no meaning for TCP.
#[derive(Clone, Debug)]
pub enum FileOwner {
    /// We do: nobody else will.
    Us,
    /// We do once we have claimed it. Until then it is its former owner's, who may go on.
    UsOnceClaimed(FileClaim),
    /// Whoever has bound it, such as a service manager that will pass it to the next start too.
    Others,
}

/// Makes the files of sockets ours, all at once. Clones are the same claim.
#[derive(Clone, Debug, Default)]
pub struct FileClaim(Arc<AtomicBool>);

/// Why a descriptor is not a socket that can be accepted on.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// Not a TCP or Unix stream socket with an address.
    #[error("it is no TCP or Unix stream socket with an address")]
    Kind(#[source] io::Error),
    /// A socket that does not listen.
    #[error("it is bound to {0}, but does not listen")]
    Silent(Address),
}

/// A way to the socket of a [`Listener`](crate::Listener) that does not keep it open, for the process that is to accept on it next.
#[derive(Clone, Debug)]
pub struct Bequest(Weak<Bound>);

/// A bound socket, and what is to be done when it closes.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: Socket,
    /// The file of a Unix socket, and who removes it, so that the next start can bind.
    file: Option<(PathBuf, FileOwner)>,
    /// Another process accepts on it: the file is that one's, and the queue is not lost when we close.
    handed_over: AtomicBool,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

// === impl Passed ===

impl Passed {
    /// Looks at what `socket` is.
    ///
    /// # Errors
    /// It cannot be accepted on.
    pub fn new(socket: OwnedFd, file: FileOwner) -> Result<Self, PassedError> {
        let address = local_address(&socket).map_err(PassedError::Kind)?;
        let listens = rustix::net::sockopt::socket_acceptconn(&socket);
        match listens.map_err(|errno| PassedError::Kind(errno.into()))? {
            true => Ok(Self { socket, address, file }),
            false => Err(PassedError::Silent(address)),
        }
    }

    /// Where it is bound.
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn into_bound(self) -> io::Result<(Bound, Address)> {
        let (socket, file) = match &self.address {
            Address::Tcp(_) => {
                let listener = std::net::TcpListener::from(self.socket);
                listener.set_nonblocking(true)?;
                (Socket::Tcp(TcpListener::from_std(listener)?), None)
            }
            Address::Unix(path) => {
                let listener = StdUnixListener::from(self.socket);
                listener.set_nonblocking(true)?;
                (Socket::Unix(UnixListener::from_std(listener)?), Some((path.clone(), self.file)))
            }
        };
        Ok((Bound::new(socket, file), self.address))
    }
}

/// The standard library tells the families apart by their addresses.
fn local_address(socket: &OwnedFd) -> io::Result<Address> {
    use rustix::net::SocketType;
    if rustix::net::sockopt::socket_type(socket)? != SocketType::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a stream socket"));
    }
    if let Ok(address) = std::net::TcpListener::from(socket.try_clone()?).local_addr() {
        return Ok(Address::Tcp(address));
    }
    let address = StdUnixListener::from(socket.try_clone()?).local_addr()?;
    let path = address.as_pathname().map(|path| Address::Unix(path.to_owned()));
    path.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket without a path"))
}

// === impl Bequest ===

impl Bequest {
    pub(crate) fn of(bound: &Arc<Bound>) -> Self {
        Self(Arc::downgrade(bound))
    }

    /// Another descriptor of the socket, to be passed on; None when its listener is closed. Whoever holds one keeps the socket open.
    ///
    /// # Errors
    /// Descriptors are exhausted.
    pub fn descriptor(&self) -> io::Result<Option<OwnedFd>> {
        self.0.upgrade().map(|bound| bound.socket.as_fd().try_clone_to_owned()).transpose()
    }

    /// Whether the socket has a file that is ours to remove.
    pub fn owns_file(&self) -> bool {
        self.0.upgrade().is_some_and(|bound| bound.file_to_remove().is_some())
    }

    /// Another process accepts on it from now on, and the file is its own: the listener can be dropped, and nobody who has
    /// connected is lost.
    pub fn hand_over(&self) {
        if let Some(bound) = self.0.upgrade() {
            bound.handed_over.store(true, Ordering::Release);
        }
    }
}

// === impl FileClaim ===

impl FileClaim {
    /// From here on the files are ours.
    pub fn claim(&self) {
        self.0.store(true, Ordering::Release);
    }
}

// === impl Bound ===

impl Bound {
    pub(crate) fn new(socket: Socket, file: Option<(PathBuf, FileOwner)>) -> Self {
        Self { socket, file, handed_over: AtomicBool::new(false) }
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Acquire)
    }

    fn file_to_remove(&self) -> Option<&Path> {
        let (path, owner) = self.file.as_ref()?;
        let is_ours = match owner {
            FileOwner::Us => true,
            FileOwner::UsOnceClaimed(claim) => claim.0.load(Ordering::Acquire),
            FileOwner::Others => false,
        };
        (is_ours && !self.is_handed_over()).then_some(path)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(file) = self.file_to_remove() {
            // Already gone is as good as removed, and a drop has nobody to tell of the rest.
            let _ = std::fs::remove_file(file);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Listener, Stream};

    fn socket_path(name: &str) -> Address {
        Address::Unix(std::env::temp_dir().join(format!("ostler-net-{name}-{}.sock", std::process::id())))
    }

    async fn adopted(listener: &Listener, file: FileOwner) -> Listener {
        let descriptor = listener.bequest().descriptor().unwrap().unwrap();
        Listener::adopt(Passed::new(descriptor, file).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn who_is_queued_when_the_first_owner_leaves_is_served_by_the_second() {
        for address in ["127.0.0.1:0".parse().unwrap(), socket_path("queued")] {
            let first = Listener::bind(&address).await.unwrap();
            let mut client = Stream::connect(first.address()).await.unwrap();
            let second = adopted(&first, FileOwner::Us).await;
            assert_eq!(second.address(), first.address());
            first.bequest().hand_over();
            drop(first);
            let mut later = Stream::connect(second.address()).await.unwrap();
            for client in [&mut client, &mut later] {
                let (mut stream, _) = second.accept().await.unwrap();
                stream.write_all(b"hello").await.unwrap();
                drop(stream);
                let mut said = String::new();
                client.read_to_string(&mut said).await.unwrap();
                assert_eq!(said, "hello");
            }
        }
    }

    #[tokio::test]
    async fn the_file_is_removed_by_its_last_owner_and_by_nobody_who_does_not_own_it() {
        let address = socket_path("owner");
        let Address::Unix(path) = &address else { panic!() };
        let first = Listener::bind(&address).await.unwrap();
        let claim = FileClaim::default();
        let second = adopted(&first, FileOwner::UsOnceClaimed(claim.clone())).await;
        let guest = adopted(&first, FileOwner::Others).await;
        let given_up = adopted(&first, FileOwner::UsOnceClaimed(FileClaim::default())).await;
        assert!(first.bequest().owns_file());
        assert!(![&second, &guest, &given_up].iter().any(|listener| listener.bequest().owns_file()));
        drop((guest, given_up));
        assert!(path.exists());
        claim.claim();
        assert!(second.bequest().owns_file());
        first.bequest().hand_over();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_bequest_does_not_keep_the_socket_open() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (bequest, address) = (listener.bequest(), listener.address().clone());
        drop(listener);
        assert!(bequest.descriptor().unwrap().is_none());
        let refused = Stream::connect(&address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn what_cannot_be_accepted_on_is_told() {
        let told = |socket: OwnedFd| Passed::new(socket, FileOwner::Others).unwrap_err().to_string();
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(told(datagrams.into()), "it is no TCP or Unix stream socket with an address");
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(told(one.into()), "it is no TCP or Unix stream socket with an address");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connection = std::net::TcpStream::connect(address).unwrap();
        let own = connection.local_addr().unwrap();
        assert_eq!(told(connection.into()), format!("it is bound to {own}, but does not listen"));
    }
}
