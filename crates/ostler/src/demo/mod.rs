//! The demo tools: each shows one thing that tools can do. They book, delete and report nothing real.

mod book_flight;
mod confirm_delete;
mod echo;
mod slow_report;

use ostler_tools::Tools;

/// All demo tools.
#[must_use]
pub fn tools() -> Tools {
    Tools::new()
        .tool(book_flight::tool())
        .tool(confirm_delete::tool())
        .tool(slow_report::tool())
        .tool(echo::tool())
}
