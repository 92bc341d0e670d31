//! The pool through its public API, with servers whose every move a test decides.

#![allow(unreachable_pub, reason = "one crate: everything public is for its own modules")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what helps tests fails them by panicking, as they do"
)]

mod fake;
mod pool;
