//! What no key says alone: contradictions between sections.

use std::collections::HashMap;

use ostler_net::Address;

use crate::config::Config;
use ostler_net::HostPattern;
use crate::problem::Problem;
use crate::report::Report;
use crate::server::{Server, Target};
use crate::target::Upstream;

/// How long the path of a Unix socket may be, without its terminating zero.
const SOCKET_PATH: usize = 107;

/// A listener and the path of the key that asks for it.
struct Listener<'a> {
    key: String,
    address: &'a Address,
}

/// One `[[server]]` as far as it could be read.
pub(crate) struct Rule {
    /// `server[0]`.
    pub(crate) path: String,
    pub(crate) host: Option<HostPattern>,
    pub(crate) server: Option<Server>,
}

/// Reports everything that contradicts something else. The servers of `config` are not there yet: `rules` has them.
pub(crate) fn check(config: &Config, rules: &[Rule], report: &mut Report) {
    let listeners: Vec<_> = listeners("switchboard.listen", &config.switchboard.listen, report)
        .chain(listeners("admin.listen", &config.admin.listen, report))
        .collect();
    equal_listeners(&listeners, report);
    long_sockets(&listeners, report);
    public_admin(&listeners, report);
    equal_hosts(rules, report);
    loops(rules, &listeners, report);
    ports(config, report);
    default_host(config, rules, report);
    headers(config, report);
    backoff(config, report);
}

/// The addresses of one key. None if it was refused: its default is not what its author meant.
fn listeners<'a>(key: &str, addresses: &'a [Address], report: &Report) -> impl Iterator<Item = Listener<'a>> {
    let several = addresses.len() > 1 || report.set(&format!("{key}[0]")).is_some();
    let path = move |at: usize| if several { format!("{key}[{at}]") } else { key.to_owned() };
    let sound = report.sound(&[key]);
    addresses
        .iter()
        .enumerate()
        .filter(move |_| sound)
        .map(move |(at, address)| Listener { key: path(at), address })
}

/// Points at the value of `key`, or names its default if nobody set it.
fn at(problem: Problem, key: &str, label: &str, report: &Report) -> Problem {
    match report.set(key) {
        Some(set) => problem.at(&set.value, label),
        None => problem,
    }
}

/// Points at a second key.
fn also(problem: Problem, key: &str, label: &str, value: &str, report: &Report) -> Problem {
    match report.set(key) {
        Some(set) if problem.place.is_none() => problem.at(&set.value, label),
        Some(set) => problem.also_at(&set.value, label),
        None => problem.note(format!("`{key}` is {value} by default")),
    }
}

fn equal_listeners(listeners: &[Listener<'_>], report: &mut Report) {
    for (index, later) in listeners.iter().enumerate() {
        let Some(earlier) = listeners[..index].iter().find(|earlier| collide(earlier.address, later.address))
        else {
            continue;
        };
        let problem = Problem::new(
            &later.key,
            format!("`{}` and `{}` cannot both listen on {}", earlier.key, later.key, later.address),
        );
        let problem = at(problem, &later.key, "in use by the other one", report);
        report.add(also(problem, &earlier.key, "the other one", &earlier.address.to_string(), report));
    }
}

/// Whether one listener takes the other's address. Port 0 is a new port each time.
fn collide(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
            let same = one.ip() == other.ip() || (everywhere && one.is_ipv4() == other.is_ipv4());
            one.port() != 0 && one.port() == other.port() && same
        }
        (Address::Unix(one), Address::Unix(other)) => one == other,
        (Address::Tcp(_), Address::Unix(_)) | (Address::Unix(_), Address::Tcp(_)) => false,
    }
}

fn long_sockets(listeners: &[Listener<'_>], report: &mut Report) {
    for Listener { key, address } in listeners {
        let Address::Unix(path) = address else { continue };
        let length = path.as_os_str().len();
        if length > SOCKET_PATH {
            let problem = Problem::new(key, format!("the path of the Unix socket `{key}` is too long"));
            let problem =
                at(problem, key, &format!("{length} bytes, of {SOCKET_PATH} that the system takes"), report);
            report.add(problem.note(format!("the path is {}", path.display())));
        }
    }
}

fn public_admin(listeners: &[Listener<'_>], report: &mut Report) {
    for Listener { key, address } in
        listeners.iter().filter(|it| it.key.starts_with("admin.") && !it.address.is_loopback())
    {
        let port = address.port().unwrap_or_default();
        let problem = Problem::new(key, format!("`{key}` must be a loopback address or a Unix socket"));
        report.add(
            at(problem, key, "others can reach this", report)
                .note("whoever reaches the admin API can stop every server, and this version asks nobody who they are")
                .help(format!("write \"127.0.0.1:{port}\"")),
        );
    }
}

fn equal_hosts(rules: &[Rule], report: &mut Report) {
    let mut first = HashMap::new();
    for Rule { path, host, .. } in rules {
        let (Some(host), key) = (host, format!("{path}.host")) else { continue };
        let Some(earlier) = first.get(host) else {
            first.insert(host, key);
            continue;
        };
        let problem = Problem::new(&key, format!("two servers have the host `{host}`"));
        let problem = at(problem, &key, "requests cannot go to both", report);
        report.add(
            also(problem, earlier, "the first one", "", report).help("remove one, or give it another host"),
        );
    }
}

/// A server that is Ostler itself would pass on requests to itself without end.
fn loops(rules: &[Rule], listeners: &[Listener<'_>], report: &mut Report) {
    for Rule { path, server, .. } in rules {
        let Some(Target::Url(upstream)) = server.as_ref().map(|server| &server.target) else { continue };
        let Some(address) = local(upstream) else { continue };
        let Some(own) = listeners.iter().find(|listener| collide(listener.address, &address)) else {
            continue;
        };
        let key = format!("{path}.url");
        let problem = Problem::new(&key, format!("`{key}` is Ostler itself"));
        let problem = at(problem, &key, "requests would go round in a circle", report);
        report.add(also(problem, &own.key, "this listens there", &own.address.to_string(), report));
    }
}

/// The address of an upstream that is on this machine for sure, or may be.
fn local(upstream: &Upstream) -> Option<Address> {
    match upstream {
        Upstream::Address(address) => Some(address.clone()),
        Upstream::Name { host, port } if host.as_str() == "localhost" => {
            Some(Address::Tcp((std::net::Ipv4Addr::LOCALHOST, *port).into()))
        }
        Upstream::Name { .. } => None,
    }
}

fn ports(config: &Config, report: &mut Report) {
    let pool = &config.pool;
    let room = usize::from(u16::MAX - pool.base_port) + 1;
    if room >= pool.max_servers || !report.sound(&["pool.base_port", "pool.max_servers"]) {
        return;
    }
    let message = format!(
        "there are {room} ports from `pool.base_port` on, and `pool.max_servers` is {}",
        pool.max_servers
    );
    let problem =
        at(Problem::new("pool.base_port", message), "pool.base_port", "too high for so many servers", report);
    let problem = also(
        problem,
        "pool.max_servers",
        "too many servers for so few ports",
        &pool.max_servers.to_string(),
        report,
    );
    let problem = if report.set("pool.base_port").is_none() {
        problem.note(format!("`pool.base_port` is {} by default", pool.base_port))
    } else {
        problem
    };
    report.add(problem);
}

fn default_host(config: &Config, rules: &[Rule], report: &mut Report) {
    let Some(host) = &config.switchboard.default_host else { return };
    let served = rules.iter().any(|rule| rule.host.as_ref().is_none_or(|rule| rule.matches(host.as_str())));
    if served || !report.sound(&["switchboard.default_host"]) {
        return;
    }
    let problem =
        Problem::new("switchboard.default_host", format!("no server has the default host `{host}`"));
    let hosts: Vec<_> =
        rules.iter().filter_map(|rule| rule.host.as_ref()).map(HostPattern::to_string).collect();
    let problem = at(problem, "switchboard.default_host", "matches no `[[server]]`", report);
    report.add(match crate::words::nearest(host.as_str(), hosts.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean \"{near}\"?")),
        None => problem,
    });
}

fn headers(config: &Config, report: &mut Report) {
    let switchboard = &config.switchboard;
    let (app, id) = ("switchboard.app_header", "switchboard.request_id_header");
    if switchboard.app_header.as_ref() != Some(&switchboard.request_id_header) || !report.sound(&[app, id]) {
        return;
    }
    let problem = Problem::new(app, format!("one header cannot be both `{app}` and `{id}`"));
    let problem = at(problem, app, "names the host to serve", report);
    report.add(also(
        problem,
        id,
        "names the request",
        &format!("`{}`", switchboard.request_id_header),
        report,
    ));
}

fn backoff(config: &Config, report: &mut Report) {
    let backoff = &config.pool.backoff;
    let (initial, max) = ("pool.backoff.initial", "pool.backoff.max");
    if backoff.initial <= backoff.max || !report.sound(&[initial, max]) {
        return;
    }
    let problem = Problem::new(initial, format!("`{initial}` is longer than `{max}`"));
    let problem = at(problem, initial, "the first pause", report);
    let longest = format!("{:?}", backoff.max);
    report.add(also(problem, max, "the longest pause", &longest, report));
}
