//! What predecessor and successor say to each other: JSON, one message a line, the first one with descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use ostler_net::Address;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize};

/// Changes when an older process could not understand a newer one any more.
pub(super) const PROTOCOL: u32 = 1;

/// More listeners than a configuration can have, and than the kernel would pass at once.
const MOST_SOCKETS: usize = 128;

/// The longest message in bytes.
pub(super) const LONGEST: usize = 256 * 1024;

/// To the successor, first: what it is to serve. The descriptors come along in the same order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handover {
    pub(super) protocol: u32,
    /// The process that hands over.
    pub(super) pid: u32,
    pub(super) sockets: Vec<SocketDescription>,
}

/// One listening socket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SocketDescription {
    /// The key of the configuration that asked for it.
    pub(super) key: String,
    /// As configured.
    pub(super) address: Address,
    /// Whether its file is to be removed by its last owner.
    pub(super) owns_file: bool,
}

/// To the predecessor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It serves.
    Ready {
        /// Where, on sockets that were handed over or on others.
        addresses: Vec<Address>,
        version: String,
    },
    /// It does not, and ends.
    Failed {
        /// Why.
        reason: String,
        /// Whether that is the configuration's fault.
        configuration: bool,
    },
}

/// To the successor, last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The sockets are its own.
    TakeOver,
}

/// A message as a line.
pub(super) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("a message is strings and numbers");
    line.push(b'\n');
    line
}

/// Sends the first message with its descriptors. The line fits the socket's buffer, so nobody is waited for.
pub(super) fn send(socket: impl AsFd, line: &[u8], descriptors: &[OwnedFd]) -> io::Result<()> {
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let rights = SendAncillaryMessage::ScmRights(&descriptors);
    let mut space = vec![MaybeUninit::uninit(); rights.size()];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(rights) {
        return Err(io::Error::other("too many sockets to pass at once"));
    }
    let sent = rustix::net::sendmsg(&socket, &[IoSlice::new(line)], &mut control, SendFlags::NOSIGNAL)?;
    if sent == line.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
}

/// Receives the first message. The descriptors are `CLOEXEC`.
pub(super) fn receive(socket: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut line, mut descriptors) = (Vec::new(), Vec::new());
    while line.last() != Some(&b'\n') {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received =
            rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 || line.len() > LONGEST {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        line.extend_from_slice(&bytes[..received.bytes]);
    }
    Ok((line, descriptors))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn sockets_arrive_in_order_and_close_on_exec() {
        let listeners: Vec<_> = (0..32).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let (one, other) = UnixStream::pair().unwrap();
        let long = line(&"x".repeat(10_000));
        send(&one, &long, &listeners.into_iter().map(OwnedFd::from).collect::<Vec<_>>()).unwrap();
        let (received, descriptors) = receive(&other).unwrap();
        assert_eq!(received, long);
        for (descriptor, address) in descriptors.into_iter().zip(addresses) {
            let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            assert_eq!(TcpListener::from(descriptor).local_addr().unwrap(), address);
        }
        drop(one);
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_without_sockets_arrives_too() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, b"[]\n", &[]).unwrap();
        let (line, descriptors) = receive(&other).unwrap();
        assert_eq!((line.as_slice(), descriptors.len()), (b"[]\n".as_slice(), 0));
    }
}
