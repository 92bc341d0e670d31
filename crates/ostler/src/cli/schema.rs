//! `ostler schema`.

use std::process::ExitCode;

use ostler_config::Config;

#[allow(clippy::print_stdout, reason = "the output is the command's purpose")]
pub(super) fn run() -> ExitCode {
    println!("{:#}", Config::json_schema());
    ExitCode::SUCCESS
}
