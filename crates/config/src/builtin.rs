//! `[builtin]`: the servers that are part of Ostler.

use crate::bounds::Bounds;
use crate::section::section;

section! {
    /// The servers that are part of Ostler, those with a `builtin`.
    pub struct Builtins {
        /// How many connections each of them has at once; the next one is answered 503 and closed.
        max_connections: usize = 10_000, from 1 to 1_000_000;

        /// What they allow their clients.
        bounds: Bounds;
    }
}
