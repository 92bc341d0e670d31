//! The command line.

mod check;
mod log;
mod schema;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code for a wrong configuration or command line.
const CONFIGURATION: u8 = 2;

/// The process host for MCP-native servers: started on the first call, gone when idle, never orphaned.
#[derive(Debug, Parser)]
#[command(name = "ostler", version, arg_required_else_help = true)]
struct Cli {
    /// The configuration file. Default: `ostler.toml` in the current directory if there is one, else a quickstart.
    #[arg(long, short, global = true, value_name = "FILE", env = "OSTLER_CONFIG")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what the configuration says until SIGINT, SIGTERM or `ostler drain`.
    Up,
    /// Validate the configuration and say what it would serve.
    Check,
    /// Print the JSON Schema of the configuration.
    Schema,
}

/// Runs the program on the process's arguments.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Up => up::run(cli.config.as_deref()),
        Command::Check => check::run(cli.config.as_deref()),
        Command::Schema => schema::run(),
    }
}
