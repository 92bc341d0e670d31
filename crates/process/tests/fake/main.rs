//! What the tests start: a server with a switch for each way to misbehave, and a host that opens a launcher and waits to be killed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is started for")]
#![allow(clippy::unwrap_used, reason = "a test would rather see it die than handle an error")]

mod host;
mod serve;
mod switches;

use std::process::ExitCode;

fn main() -> ExitCode {
    ostler_process::guard::intercept();
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("serve") => serve::run(&switches::parse(arguments)),
        Some("linger") => serve::linger(&switches::parse(arguments)),
        Some("host") => host::run(&switches::parse(arguments)),
        other => {
            eprintln!("what is {other:?}?");
            ExitCode::from(64)
        }
    }
}
