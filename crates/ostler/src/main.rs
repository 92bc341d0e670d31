//! The `ostler` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ostler_process::guard::intercept();
    ostler::cli::run()
}
