//! `[log]`: what Ostler says while it runs.

use crate::section::section;
use crate::setting::{LogFilter, choice};

section! {
    /// What Ostler says while it runs, on the standard error stream.
    pub struct Log {
        /// How lines look.
        format: LogFormat = "text";

        /// What is said: a level, or levels for parts of the program, as in `"info,ostler_pool=debug"`. `OSTLER_LOG` overrides it.
        filter: LogFilter = "info";
    }
}

choice! {
    /// How lines of the log look.
    pub enum LogFormat {
        /// For people, in colour on a terminal.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}
