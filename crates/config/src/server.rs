//! `[[server]]`: one server, or one for each host below a wildcard.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ostler_net::HostPattern;

use crate::command::{Argv, Environment, Ready};
use crate::section::section;
use crate::setting::{Limit, VariableName, choice};
use crate::upstream::Upstream;

section! {
    /// One server, or one for each host below a wildcard. It is exactly one of `command`, `builtin` and `url`.
    pub(crate) struct ServerTable {
        /// Whose requests it gets: one host, or `"*.preview.localhost"` for every host below that one, each with a server of its own.
        /// The exact host wins over a wildcard, and a longer wildcard over a shorter one.
        host: Option<HostPattern>;

        /// How many hosts below a wildcard have a server at once, so that strangers who invent hosts cannot take every place of the
        /// pool. Default: 10, or `pool.max_servers` if that is less.
        max: Option<usize>, from 1 to 100_000 because "with no place at all no server can start";

        /// A program and its arguments, started without a shell when a request needs it. `{port}`, `{socket}` and `{host}` in
        /// arguments are replaced; `PORT` or `SOCKET`, and `OSTLER_HOST`, are in its environment.
        command: Option<Argv>;

        /// A server that is part of Ostler.
        builtin: Option<Builtin>;

        /// A server that runs already: requests are passed on to it, and it is never started or stopped.
        url: Option<Upstream>;

        /// When a started server is ready: at the first 2xx answer to a GET of this path, or with `"accept"`, as soon as it accepts
        /// connections. Default: `"accept"`.
        ready: Option<Ready>;

        /// Whether it listens on a Unix socket, whose path it is told as `{socket}` and `SOCKET`, and not on a port.
        /// Default: whether `{socket}` is in its arguments.
        socket: Option<bool>;

        /// Variables to set in its environment.
        env: Option<Environment>;

        /// Variables of Ostler's own environment to pass on, besides the few that every program needs.
        env_pass: Vec<VariableName>, from 0 to 256;

        /// The directory it runs in. A relative path begins at the directory of the configuration file, which is the default.
        cwd: Option<PathBuf>;

        /// Overrides `pool.idle_timeout`.
        idle_timeout: Option<Limit<Duration>>, from "10ms" to "365d" because "a server that stops at once serves nobody; `\"never\"` keeps it";

        /// Overrides `pool.start_timeout`.
        start_timeout: Option<Duration>, from "1ms" to "1h" because "a server without time to start never starts";

        /// Overrides `pool.drain_timeout`.
        drain_timeout: Option<Duration>, from "0s" to "1d";

        /// Overrides `pool.kill_timeout`.
        kill_timeout: Option<Duration>, from "0s" to "10m";

        /// Overrides `pool.check_interval`.
        check_interval: Option<Limit<Duration>>, from "100ms" to "1d" because "checks would be most of a server's work; `\"never\"` switches them off";

        /// Overrides `pool.check_timeout`.
        check_timeout: Option<Duration>, from "1ms" to "10m";

        /// Overrides `pool.unhealthy_after`.
        unhealthy_after: Option<u32>, from 1 to 1_000 because "a server cannot be unhealthy before its first check";

        /// Overrides `pool.max_age`.
        max_age: Option<Limit<Duration>>, from "1s" to "3650d" because "servers would be replaced faster than they start";

        /// Overrides `pool.max_uses`.
        max_uses: Option<Limit<u64>>, from 1 to 1_000_000_000_000;
    }
}

choice! {
    /// The servers that are part of Ostler.
    pub enum Builtin {
        /// Says as JSON who answered what; `/health`, a WebSocket at `/ws` and an event stream at `/sse` to try things with.
        Echo = "echo",
    }
}

/// One server, or one for each host below a wildcard.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Whose requests it gets.
    pub host: HostPattern,
    /// How many hosts have a server of this rule at once; 1 for an exact host.
    pub max: usize,
    /// What answers them.
    pub target: Target,
    /// How it is started, watched and stopped: `[pool]`, with what this server overrides.
    pub policy: Policy,
}

/// What answers the requests of a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A child process.
    Command(Command),
    /// A server that is part of Ostler.
    Builtin(Builtin),
    /// A server that runs already.
    Url(Upstream),
}

/// A program that is started when a request needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The program and its arguments, in which `{port}`, `{socket}` and `{host}` are still to be replaced.
    pub argv: Vec<String>,
    /// When it is ready.
    pub ready: Ready,
    /// Whether it listens on a Unix socket, and not on a port.
    pub socket: bool,
    /// Variables to set in its environment.
    pub env: BTreeMap<VariableName, String>,
    /// Variables of Ostler's own environment to pass on, besides those that every program gets.
    pub env_pass: Vec<VariableName>,
    /// The directory it runs in.
    pub cwd: PathBuf,
}

/// How a server is started, watched and stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long it lives without requests.
    pub idle_timeout: Limit<Duration>,
    /// How long it may take to become ready.
    pub start_timeout: Duration,
    /// How long its requests may go on once it stops.
    pub drain_timeout: Duration,
    /// How long its process may take to end once it is asked to.
    pub kill_timeout: Duration,
    /// How often it is checked.
    pub check_interval: Limit<Duration>,
    /// How long a check may take.
    pub check_timeout: Duration,
    /// How many checks in a row fail before it is replaced.
    pub unhealthy_after: u32,
    /// The age at which it is replaced.
    pub max_age: Limit<Duration>,
    /// The number of requests after which it is replaced.
    pub max_uses: Limit<u64>,
}
