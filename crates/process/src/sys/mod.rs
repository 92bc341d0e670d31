//! The only unsafe code of the crate: what has no safe form in the libraries we use.
#![allow(
    unsafe_code,
    reason = "clone3, what a child may call before exec, registering a descriptor, and trimming the heap have no safe form"
)]

pub(crate) mod fork;
pub(crate) mod heap;

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for readability in the current runtime.
pub(crate) fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, gives the same descriptor each time it is asked, and closes it only when dropped.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}
