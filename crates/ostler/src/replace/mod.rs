//! Replacing the running process by another one, which may be of a newer version, while clients notice nothing.
//!
//! The running process, the *predecessor*, starts the program that it was started from once more. That one, the *successor*, finds
//! a Unix socket as its stdin. Over it pass:
//!
//! 1. to the successor, the listening sockets (`SCM_RIGHTS`) and what each is for;
//! 2. to the predecessor, that the successor serves, or why it does not;
//! 3. to the successor, that it is in charge.
//!
//! The sockets pass as messages, and not as inherited descriptors with numbers in a variable (`LISTEN_FDS`), so that no descriptor is
//! ever without `CLOEXEC`: children are started all the time, and would get it. Nor would `LISTEN_PID` be known before the fork.
//!
//! Until the third message the predecessor decides: it has changed nothing, and when it breaks off, or dies, the successor ends. So
//! there are never two in charge, and never none as long as either lives. From then on the successor owns the sockets, the
//! predecessor stops accepting, and both share nothing but the queue of clients that have connected, which either may accept from.
//!
//! The successor is a child of the predecessor, in its session and in a process group of its own, without its instance mark and without a
//! parent-death signal: neither the end of the predecessor, nor its guard, nor its reaper touches it. It has a mark, a guard, a
//! cgroup and servers of its own.

mod message;
mod predecessor;
mod program;
mod successor;

pub(crate) use predecessor::{Attempt, Estate, ReplaceError, Replaced};
pub use program::Program;
pub(crate) use successor::Successor;

/// Set for a successor and for nobody else.
const ROLE: &str = "OSTLER_HANDOVER";
