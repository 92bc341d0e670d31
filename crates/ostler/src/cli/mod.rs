//! The command line.

mod call;
mod check;
mod client;
mod drain;
mod events;
mod failure;
mod follow;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod greeting;
mod log;
mod paint;
mod ps;
mod replace;
mod schema;
mod served;
mod sessions;
mod sse;
mod stdio;
mod stop;
mod table;
mod terminal;
mod up;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use self::client::{Client, Target};
use self::failure::Failure;

/// The exit code for a wrong configuration or command line.
const CONFIGURATION: u8 = 2;

/// The exit code when a drain deadline passed and responses were cut.
const DRAIN_TIMED_OUT: u8 = 3;

/// The exit code after Ctrl+C.
const INTERRUPTED: u8 = 130;

/// What every command's help ends with.
const EXIT_CODES: &str = "\
Exit codes: 0 done, or drained on request · 1 failed · 2 wrong configuration or command line · \
3 a drain deadline passed · 130 and 143 drained after SIGINT and SIGTERM";

/// The process host for MCP-native servers: started on the first call, gone when idle, never orphaned.
#[derive(Debug, Parser)]
#[command(name = "ostler", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file. Default: `ostler.toml` in the current directory if there is one, else a quickstart.
    #[arg(long, short, global = true, value_name = "FILE", env = "OSTLER_CONFIG")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what the configuration says until SIGINT, SIGTERM, `ostler drain` or `ostler replace`.
    Up,
    /// Validate the configuration and say what it would serve.
    Check,
    /// Print the JSON Schema of the configuration.
    Schema,
    /// List the servers that run, and why each is alive.
    Ps {
        #[command(flatten)]
        target: Target,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Tell what happens to servers, as it happens, until Ostler ends.
    Events {
        #[command(flatten)]
        target: Target,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
        /// Begin behind this event, as far as it is still kept. Default: begin with what happens next.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Let a server finish its requests and stop it. The next request for its host starts another.
    Stop {
        /// Its key in `ostler ps`: the host it serves.
        key: String,
        #[command(flatten)]
        target: Target,
    },
    /// List the calls of tools that wait for answers or go on by themselves.
    Sessions {
        #[command(flatten)]
        target: Target,
        /// Also those that have ended and whose results are still kept.
        #[arg(long)]
        all: bool,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Cancel a session.
    Cancel {
        /// Its id in `ostler sessions`.
        id: String,
        #[command(flatten)]
        target: Target,
    },
    /// Run a tool in this terminal: what it asks is asked here.
    Call {
        /// The tool's name.
        tool: String,
        /// Its arguments as a JSON object. Default: what it needs is asked for.
        arguments: Option<String>,
        /// Print the whole result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Offer the tools to the program that has started this one, over standard input and output. The log goes to standard error.
    Stdio,
    /// Let another process of the same program, which may be a newer one, take over with the same sockets.
    Replace {
        #[command(flatten)]
        target: Target,
    },
    /// Let Ostler finish its requests and end.
    Drain {
        #[command(flatten)]
        target: Target,
        /// How long requests may go on, such as `5s`; what is left then is cut. Default: `switchboard.drain_timeout`.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        deadline: Option<Duration>,
    },
}

/// Runs the program on the process's arguments.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let config = cli.config.as_deref();
    let result = match cli.command {
        Command::Up => return up::run(config),
        Command::Check => check::run(config),
        Command::Schema => schema::run(),
        Command::Ps { target, json } => ask(&target, config, async |client| ps::run(client, json).await),
        Command::Events { target, json, after } => {
            ask(&target, config, async |client| events::run(client, after, json).await)
        }
        Command::Stop { key, target } => ask(&target, config, async |client| stop::run(client, &key).await),
        Command::Sessions { target, all, json } => {
            ask(&target, config, async |client| sessions::list(client, all, json).await)
        }
        Command::Cancel { id, target } => {
            ask(&target, config, async |client| sessions::cancel(client, &id).await)
        }
        Command::Call { tool, arguments, json } => call::run(config, &tool, arguments, json),
        Command::Stdio => stdio::run(config),
        Command::Replace { target } => ask(&target, config, async |client| replace::run(client).await),
        Command::Drain { target, deadline } => {
            ask(&target, config, async |client| drain::run(client, deadline).await)
        }
    };
    result.unwrap_or_else(Failure::tell)
}

/// Runs a command that asks a running Ostler.
fn ask(
    target: &Target,
    config: Option<&Path>,
    command: impl AsyncFnOnce(Client) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    let client = Client::find(target, config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(command(client))
}
