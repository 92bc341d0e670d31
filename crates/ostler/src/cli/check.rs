//! `ostler check`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use ostler_config::{Config, Loaded, Origin};

use super::CONFIGURATION;

/// The configuration, or the exit code after everything wrong with it has been told.
#[allow(clippy::print_stderr, reason = "errors of a command go to its stderr")]
pub(super) fn load(path: Option<&Path>) -> Result<Loaded, ExitCode> {
    Config::load(path, std::env::vars_os()).map_err(|error| {
        eprint!("{}", error.render(std::io::stderr().is_terminal()));
        ExitCode::from(CONFIGURATION)
    })
}

#[allow(clippy::print_stdout, reason = "the output is the command's purpose")]
pub(super) fn run(path: Option<&Path>) -> ExitCode {
    let loaded = match load(path) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    match &loaded.origin {
        Origin::File(path) => println!("{}: valid", path.display()),
        Origin::Quickstart => println!("no configuration file: the quickstart would be served"),
    }
    for server in &loaded.config.servers {
        println!("  {}", server.host);
    }
    ExitCode::SUCCESS
}
