//! From the sections as they were written to servers: exactly one target each, every default filled in.

use std::path::{Path, PathBuf};

use ostler_net::{Address, HostPattern};

use crate::auth::{Auth, Jwks};
use crate::command::{Ready, placeholders};
use crate::pool::Pool;
use crate::problem::Problem;
use crate::report::Report;
use crate::server::{Command, Policy, Server, ServerTable, Target};
use crate::store::{Store, StoreUrl};
use crate::tools::Tools;
use crate::upstream::Upstream;
use crate::words::quoted;

/// How many hosts a wildcard has servers for if it does not say.
const WILDCARD_MAX: usize = 10;

/// Keys that only a process has.
const OF_COMMAND: [&str; 6] = ["ready", "socket", "env", "env_pass", "cwd", "kill_timeout"];

/// Keys that mean nothing where Ostler neither starts nor stops the server.
const OF_STARTED: [&str; 8] = [
    "start_timeout",
    "idle_timeout",
    "drain_timeout",
    "check_interval",
    "check_timeout",
    "unhealthy_after",
    "max_age",
    "max_uses",
];

/// Turns the section of the server at `path` into a server, or says why it is none.
pub(crate) fn server(
    table: ServerTable,
    path: &str,
    pool: &Pool,
    directory: &Path,
    report: &mut Report,
) -> Option<Server> {
    let policy = policy(&table, pool);
    let max = max(&table, path, pool, report);
    let host = table.host.clone();
    if host.is_none() && report.set(&format!("{path}.host")).is_none() {
        let problem = Problem::new(format!("{path}.host"), format!("`{path}` has no host"));
        report.add(at_section(problem, path, "this server", report).help("host = \"shop.localhost\""));
    }
    let target = target(table, path, directory, report);
    Some(Server { host: host?, max, target: target?, policy })
}

fn policy(table: &ServerTable, pool: &Pool) -> Policy {
    Policy {
        idle_timeout: table.idle_timeout.unwrap_or(pool.idle_timeout),
        start_timeout: table.start_timeout.unwrap_or(pool.start_timeout),
        drain_timeout: table.drain_timeout.unwrap_or(pool.drain_timeout),
        kill_timeout: table.kill_timeout.unwrap_or(pool.kill_timeout),
        check_interval: table.check_interval.unwrap_or(pool.check_interval),
        check_timeout: table.check_timeout.unwrap_or(pool.check_timeout),
        unhealthy_after: table.unhealthy_after.unwrap_or(pool.unhealthy_after),
        max_age: table.max_age.unwrap_or(pool.max_age),
        max_uses: table.max_uses.unwrap_or(pool.max_uses),
    }
}

fn max(table: &ServerTable, path: &str, pool: &Pool, report: &mut Report) -> usize {
    let key = format!("{path}.max");
    match (&table.host, table.max) {
        (Some(HostPattern::Exact(host)), Some(_)) => {
            if let Some(set) = report.set(&key).cloned() {
                let problem = Problem::new(
                    &key,
                    format!("`{key}` is for wildcards, and {} is one host", quoted(host.as_str())),
                );
                report.add(problem.at(&set.key, "has one server at most").help("remove it"));
            }
            1
        }
        (_, Some(max)) if max > pool.max_servers && report.sound(&["pool.max_servers"]) => {
            let problem = Problem::new(
                &key,
                format!("`{key}` is more than the pool holds: `pool.max_servers` is {}", pool.max_servers),
            );
            let problem = match report.set(&key) {
                Some(set) => problem.at(&set.value, "this can never be reached"),
                None => problem,
            };
            let problem = match report.set("pool.max_servers") {
                Some(set) => problem.also_at(&set.value, "the pool's maximum"),
                None => problem.note(format!("{} is its default", pool.max_servers)),
            };
            report.add(problem);
            max
        }
        (_, Some(max)) => max,
        (Some(HostPattern::Exact(_)), None) => 1,
        (Some(HostPattern::Wildcard(_)) | None, None) => WILDCARD_MAX.min(pool.max_servers),
    }
}

fn target(table: ServerTable, path: &str, directory: &Path, report: &mut Report) -> Option<Target> {
    let set: Vec<_> = ["command", "builtin", "url"]
        .into_iter()
        .filter_map(|key| report.set(&format!("{path}.{key}")).map(|set| (key, set.clone())))
        .collect();
    match set.as_slice() {
        [] => {
            let problem = Problem::new(path, format!("`{path}` has none of `command`, `builtin` and `url`"));
            let help =
                "command = [\"node\", \"server.js\"], builtin = \"echo\", or url = \"http://127.0.0.1:9999\"";
            report.add(
                at_section(problem, path, "nothing answers the requests of this server", report).help(help),
            );
        }
        [_] => {}
        [(first, one), .., (last, other)] => {
            let problem =
                Problem::new(format!("{path}.{last}"), format!("`{path}` has both `{first}` and `{last}`"));
            report.add(
                problem
                    .at(&other.key, "a server is one of them")
                    .also_at(&one.key, "the other one")
                    .help("remove one, or make two servers of it"),
            );
        }
    }
    if let [(only @ ("builtin" | "url"), one)] = set.as_slice() {
        let foreign = OF_COMMAND.iter().chain(OF_STARTED.iter().filter(|_| *only == "url"));
        for key in foreign {
            let full = format!("{path}.{key}");
            if let Some(set) = report.set(&full).cloned() {
                let why = match *only {
                    "url" => "a server with a `url` is never started or stopped",
                    _ => "a `builtin` server is no process",
                };
                let problem = Problem::new(&full, format!("`{full}` has no meaning here: {why}"));
                report.add(problem.at(&set.key, "remove it").also_at(&one.key, "because of this"));
            }
        }
    }
    if let Some(argv) = table.command {
        let uses_socket =
            argv.0.iter().flat_map(|argument| placeholders(argument)).any(|name| name == "socket");
        let socket = table.socket.unwrap_or(uses_socket);
        check_placeholders(&argv.0, socket, path, report);
        return Some(Target::Command(Command {
            argv: argv.0,
            ready: table.ready.unwrap_or(Ready::Accept),
            socket,
            env: table.env.unwrap_or_default().0,
            env_pass: table.env_pass,
            cwd: table.cwd.map_or_else(|| directory.to_owned(), |cwd| directory.join(cwd)),
        }));
    }
    let url = table.url.map(|url| match url {
        Upstream::Address(address) => Upstream::Address(resolved(address, directory)),
        Upstream::Name { host, port } => Upstream::Name { host, port },
    });
    table.builtin.map(Target::Builtin).or(url.map(Target::Url))
}

/// A server listens on a port or on a socket, and is told of the one that it has.
fn check_placeholders(argv: &[String], socket: bool, path: &str, report: &mut Report) {
    let (wrong, help) = match socket {
        true => ("port", "write `{socket}`, or set `socket = false`"),
        false => ("socket", "write `{port}`, or set `socket = true`"),
    };
    if !report.sound(&[&format!("{path}.socket")]) {
        return;
    }
    for (index, _) in
        argv.iter().enumerate().filter(|(_, argument)| placeholders(argument).any(|name| name == wrong))
    {
        let key = format!("{path}.command[{index}]");
        let Some(set) = report.set(&key).cloned() else { continue };
        let has = if socket { "a socket and no port" } else { "a port and no socket" };
        let problem = Problem::new(&key, format!("`{key}` has `{{{wrong}}}`, but this server has {has}"));
        report.add(problem.at(&set.value, "nothing to put here").help(help));
    }
}

/// Points at the header of a section.
fn at_section(problem: Problem, path: &str, label: &str, report: &Report) -> Problem {
    match report.set(path) {
        Some(set) => problem.at(&set.value, label),
        None => problem,
    }
}

/// The address with its path, if it has one, beginning at `directory`.
pub(crate) fn resolved(address: Address, directory: &Path) -> Address {
    match address {
        Address::Unix(path) => Address::Unix(join(directory, path)),
        tcp @ Address::Tcp(_) => tcp,
    }
}

/// Where a store is, from the directory of the configuration file on.
pub(crate) fn store(store: &mut Store, directory: &Path) {
    if let Some(StoreUrl::Sqlite(path)) = &mut store.url {
        *path = join(directory, std::mem::take(path));
    }
    store.directory = store.directory.take().map(|path| join(directory, path));
}

/// Where keys are, if they are in a file.
pub(crate) fn jwks(auth: &mut Auth, directory: &Path) {
    if let Some(Jwks::File(path)) = &mut auth.jwks {
        *path = join(directory, std::mem::take(path));
    }
}

/// Where keys are, from the directory of the configuration file on.
pub(crate) fn tools(tools: &mut Tools, directory: &Path) {
    tools.keys = tools.keys.take().map(|path| join(directory, path));
}

pub(crate) fn join(directory: &Path, path: PathBuf) -> PathBuf {
    if directory.as_os_str().is_empty() { path } else { directory.join(path) }
}
