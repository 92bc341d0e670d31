//! Listening sockets that this process was given at its start, and the configured address that each is for.

use std::os::fd::OwnedFd;
use std::path::absolute;

use listenfd::ListenFd;
use ostler_net::{Address, FileOwner, Passed, PassedError};

/// The names that a service manager gives to what it passes, separated by colons.
pub(crate) const NAMES: &str = "LISTEN_FDNAMES";

/// The number of the first descriptor that a service manager passes.
const FIRST: usize = 3;

/// Sockets that are bound already. [`Host::start`](crate::Host::start) listens on them instead of binding their addresses.
#[derive(Debug, Default)]
pub struct Sockets {
    given: Vec<Given>,
    /// Whether one that nobody wants is a mistake.
    surplus: Surplus,
}

#[derive(Debug)]
struct Given {
    socket: Passed,
    /// What to call it.
    name: String,
    /// The key and the address it was bound for, if whoever passes it knows.
    purpose: Option<Purpose>,
}

/// What a socket was bound for: with port 0, its own address does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// The key of the configuration.
    pub(crate) key: String,
    /// As configured.
    pub(crate) address: Address,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Surplus {
    /// The configuration has changed: whoever passed it goes on to own it.
    #[default]
    Closed,
    /// Whoever passed it believes that somebody answers there.
    Refused,
}

/// What was passed cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// A descriptor that is no listening socket.
    #[error("the service manager passed descriptor {descriptor} (`{name}`), but {source}")]
    NotAListener {
        /// Its number.
        descriptor: usize,
        /// Its name in `LISTEN_FDNAMES`.
        name: String,
        /// What it is instead.
        source: PassedError,
    },
    /// A socket that no `listen` asks for.
    #[error(
        "the service manager passed a socket on {address} (`{name}`), but no `listen` of the configuration has that address"
    )]
    Unwanted {
        /// Where it is bound.
        address: Address,
        /// Its name in `LISTEN_FDNAMES`.
        name: String,
    },
}

impl Sockets {
    /// The sockets that a service manager has passed: descriptors from 3, `LISTEN_FDS` of them, if `LISTEN_PID` is this process
    /// (`sd_listen_fds(3)`). They do not pass on to children, and the two variables are gone.
    ///
    /// Call it before any thread is started, since it changes the environment.
    ///
    /// # Errors
    /// One of them is no listening TCP or Unix socket.
    pub fn from_service_manager() -> Result<Self, SocketsError> {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut given = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unnamed").to_owned();
            let wrong = |source| SocketsError::NotAListener {
                descriptor: FIRST + index,
                name: name.clone(),
                source: PassedError::Kind(source),
            };
            // Each of them takes what is of its kind only, and leaves the rest.
            let socket = match passed.take_tcp_listener(index) {
                Ok(socket) => socket.map(OwnedFd::from),
                Err(_) => passed.take_unix_listener(index).map_err(wrong)?.map(OwnedFd::from),
            };
            let Some(socket) = socket else { continue };
            let socket = Passed::new(socket, FileOwner::Others).map_err(|source| {
                SocketsError::NotAListener { descriptor: FIRST + index, name: name.clone(), source }
            })?;
            given.push(Given { socket, name, purpose: None });
        }
        Ok(Self { given, surplus: Surplus::Refused })
    }

    /// The sockets of the process that this one replaces.
    pub(crate) fn of_predecessor(sockets: impl IntoIterator<Item = (Passed, Purpose)>) -> Self {
        let given = sockets.into_iter().map(|(socket, purpose)| Given {
            socket,
            name: purpose.key.clone(),
            purpose: Some(purpose),
        });
        Self { given: given.collect(), surplus: Surplus::Closed }
    }

    /// The one to use where the configuration asks for `address` under `key`.
    pub(crate) fn take(&mut self, key: &str, address: &Address) -> Option<Passed> {
        let bound_there = |given: &Given| is_same(given.socket.address(), address);
        let bound_for_it = |given: &Given| {
            given.purpose.as_ref().is_some_and(|bound| bound.key == key && bound.address == *address)
        };
        let mut all = self.given.iter();
        let index = all.position(bound_there).or_else(|| self.given.iter().position(bound_for_it))?;
        Some(self.given.remove(index).socket)
    }

    /// Looks at what nobody has taken.
    ///
    /// # Errors
    /// A service manager has passed it: its clients would connect, and wait for ever.
    pub(crate) fn finish(self) -> Result<(), SocketsError> {
        for Given { socket, name, .. } in self.given {
            match self.surplus {
                Surplus::Closed => tracing::info!(address = %socket.address(), "no longer configured"),
                Surplus::Refused => {
                    return Err(SocketsError::Unwanted { address: socket.address().clone(), name });
                }
            }
        }
        Ok(())
    }
}

/// One path can be written in several ways, from the same directory.
fn is_same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Unix(one), Address::Unix(other)) => {
            one == other
                || absolute(one).ok().is_some_and(|one| absolute(other).is_ok_and(|other| one == other))
        }
        (Address::Tcp(_) | Address::Unix(_), Address::Tcp(_) | Address::Unix(_)) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn inherited(purposes: &[(&str, &str)]) -> (Sockets, Vec<Address>) {
        let sockets = purposes.iter().map(|(key, wanted)| {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            let passed = Passed::new(socket.into(), FileOwner::Others).unwrap();
            (passed, Purpose { key: (*key).to_owned(), address: address(wanted) })
        });
        let sockets = Sockets::of_predecessor(sockets);
        let bound = sockets.given.iter().map(|given| given.socket.address().clone()).collect();
        (sockets, bound)
    }

    #[test]
    fn a_socket_is_taken_by_its_address_whatever_it_was_bound_for() {
        let (mut sockets, bound) = inherited(&[("a", "127.0.0.1:0"), ("b", "127.0.0.1:0")]);
        let taken = sockets.take("a", &bound[1]).unwrap();
        assert_eq!(taken.address(), &bound[1]);
        assert!(sockets.take("a", &bound[1]).is_none());
        assert!(sockets.take("a", &address("127.0.0.1:1")).is_none());
    }

    #[test]
    fn port_0_is_the_port_that_was_chosen_for_the_same_key() {
        let (mut sockets, bound) =
            inherited(&[("a", "127.0.0.1:0"), ("b", "127.0.0.1:0"), ("b", "127.0.0.1:0")]);
        let wanted = address("127.0.0.1:0");
        let taken = ["b", "b", "a"].map(|key| sockets.take(key, &wanted).unwrap().address().clone());
        assert_eq!(taken, [bound[1].clone(), bound[2].clone(), bound[0].clone()]);
        assert!(sockets.take("b", &wanted).is_none());
    }

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        let here = std::env::current_dir().unwrap().join("a.sock");
        assert!(is_same(&address("unix:a.sock"), &Address::Unix(here.clone())));
        assert!(is_same(&address("unix:./a.sock"), &Address::Unix(here.clone())));
        assert!(!is_same(&address("unix:b.sock"), &Address::Unix(here)));
    }
}
