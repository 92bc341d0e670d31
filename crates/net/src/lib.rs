//! Where a server is reached: host names, and TCP and Unix addresses, streams and listeners as one type.
//!
//! ```
//! use ostler_net::Address;
//!
//! let tcp: Address = "127.0.0.1:8000".parse()?;
//! let unix: Address = "unix:/run/shop.sock".parse()?;
//! assert_eq!(tcp.port(), Some(8000));
//! assert_eq!(unix.to_string(), "unix:/run/shop.sock");
//! # Ok::<(), ostler_net::AddressError>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod host;
mod inherit;
mod listener;
mod routes;
mod stream;

pub use address::{Address, AddressError};
pub use host::{HostError, HostName, HostPattern, normalize_host, requested_host};
pub use inherit::{Bequest, FileClaim, FileOwner, Passed, PassedError};
pub use listener::{Accepted, Listener};
pub use routes::Routes;
pub use stream::{Left, Stream};
