//! The side of the process that takes over.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use ostler_net::{Address, FileClaim, FileOwner, Passed};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::ROLE;
use super::message::{Answer, Handover, Order, PROTOCOL, line, receive};
use crate::sockets::{Purpose, Sockets};

/// How long the first message is waited for: it was sent before we were awake.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that was started to replace another one, and is not in charge yet.
#[derive(Debug)]
pub(crate) struct Successor {
    /// To the predecessor. When it closes without an order, we end.
    socket: StdUnixStream,
    /// The process we replace.
    predecessor: u32,
    /// The files of the sockets are the predecessor's until we are in charge.
    files: FileClaim,
}

/// Why a process that was started as a successor cannot be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    #[error("{ROLE} is set, but nobody hands over on stdin: it is for Ostler's own use")]
    NoHandover(#[source] io::Error),
    #[error("the running Ostler hands over in a way that this version does not know ({0})")]
    Protocol(String),
    #[error("the running Ostler has broken off the replacement")]
    BrokenOff,
    #[error("cannot speak with the running Ostler")]
    System(#[from] io::Error),
}

impl Successor {
    /// The other end of the handover and the sockets, if this process was started to be a successor. Stdin is empty after that.
    ///
    /// # Errors
    /// What is there is no handover.
    pub(crate) fn receive() -> Result<Option<(Self, Sockets)>, HandoverError> {
        if std::env::var_os(ROLE).is_none() {
            return Ok(None);
        }
        let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        socket.set_read_timeout(Some(PATIENCE)).map_err(HandoverError::NoHandover)?;
        let (line, descriptors) = receive(&socket).map_err(HandoverError::NoHandover)?;
        // What we start must not find the socket as its stdin.
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?).map_err(io::Error::from)?;
        let handover: Handover =
            serde_json::from_slice(&line).map_err(|error| HandoverError::Protocol(error.to_string()))?;
        let Handover { protocol, pid, sockets } = handover;
        if protocol != PROTOCOL || sockets.len() != descriptors.len() {
            let wrong = format!("protocol {protocol}, {} sockets of {}", descriptors.len(), sockets.len());
            return Err(HandoverError::Protocol(wrong));
        }
        let files = FileClaim::default();
        let mut passed = Vec::with_capacity(sockets.len());
        for (description, descriptor) in sockets.into_iter().zip(descriptors) {
            let owner = match description.owns_file {
                true => FileOwner::UsOnceClaimed(files.clone()),
                false => FileOwner::Others,
            };
            let socket =
                Passed::new(descriptor, owner).map_err(|error| HandoverError::Protocol(error.to_string()))?;
            passed.push((socket, Purpose { key: description.key, address: description.address }));
        }
        Ok(Some((Self { socket, predecessor: pid, files }, Sockets::of_predecessor(passed))))
    }

    /// The process that this one replaces.
    pub(crate) fn predecessor(&self) -> u32 {
        self.predecessor
    }

    /// Says that this process serves at `addresses`, and returns when it is in charge.
    ///
    /// # Errors
    /// The predecessor has broken off: it goes on, and we are to end.
    pub(crate) async fn take_over(self, addresses: Vec<Address>) -> Result<(), HandoverError> {
        self.socket.set_nonblocking(true)?;
        let mut socket = UnixStream::from_std(self.socket)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let ready = line(&Answer::Ready { addresses, version });
        socket.write_all(&ready).await.map_err(|_| HandoverError::BrokenOff)?;
        let mut order = String::new();
        let read = BufReader::new(socket).read_line(&mut order).await;
        match read.ok().and_then(|_| serde_json::from_str(&order).ok()) {
            Some(Order::TakeOver) => {
                self.files.claim();
                Ok(())
            }
            None => Err(HandoverError::BrokenOff),
        }
    }

    /// Says why this process does not serve. It is to end.
    pub(crate) fn give_up(mut self, reason: String, configuration: bool) {
        // If nobody reads it any more, nobody waits for us.
        let _ = self.socket.write_all(&line(&Answer::Failed { reason, configuration }));
    }
}
