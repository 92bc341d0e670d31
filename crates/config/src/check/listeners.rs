//! Where Ostler listens: each address once, the admin API for nobody else, and no server that is Ostler itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ostler_net::Address;

use super::{Rule, Side, at, between};
use crate::config::Config;
use crate::problem::Problem;
use crate::report::Report;
use crate::server::Target;
use crate::upstream::Upstream;

/// How long the path of a Unix socket may be, without its terminating zero.
const SOCKET_PATH: usize = 107;

/// A listener and the path of the key that asks for it.
struct Listener<'a> {
    key: String,
    address: &'a Address,
}

pub(super) fn check(config: &Config, rules: &[Rule], report: &mut Report) {
    let public = listeners("switchboard.listen", &config.switchboard.listen, report);
    let encrypted = listeners("switchboard.tls_listen", &config.switchboard.tls_listen, report);
    let admin = listeners("admin.listen", &config.admin.listen, report);
    let mcp = listeners("mcp.listen", &config.mcp.listen, report);
    loopback_only(
        &admin,
        "whoever reaches the admin API can stop every server, and this version asks nobody who they are",
        report,
    );
    if config.mcp.auth.issuer.is_none() && report.sound(&["mcp.auth.issuer"]) {
        loopback_only(
            &mcp,
            "whoever reaches the endpoint can call every tool, and without an `issuer` in [mcp.auth] nobody asks who they are",
            report,
        );
    }
    auth(config, report);
    none(config, report);
    certificates(config, report);
    let all: Vec<_> = public.into_iter().chain(encrypted).chain(admin).chain(mcp).collect();
    equal(&all, report);
    long_paths(&all, report);
    loops(rules, &all, report);
}

/// The addresses of one key. None if it was refused: its default is not what its author meant.
fn listeners<'a>(key: &str, addresses: &'a [Address], report: &Report) -> Vec<Listener<'a>> {
    if !report.sound(&[key]) {
        return Vec::new();
    }
    let is_list = report.set(&format!("{key}[0]")).is_some();
    let path = |index| if is_list { format!("{key}[{index}]") } else { key.to_owned() };
    addresses.iter().enumerate().map(|(index, address)| Listener { key: path(index), address }).collect()
}

fn none(config: &Config, report: &mut Report) {
    const KEY: &str = "switchboard.listen";
    let switchboard = &config.switchboard;
    if !switchboard.listen.is_empty()
        || !switchboard.tls_listen.is_empty()
        || !report.sound(&[KEY, "switchboard.tls_listen"])
    {
        return;
    }
    let problem = Problem::new(KEY, format!("`{KEY}` and `switchboard.tls_listen` are both empty"))
        .note("without an address nobody can send a request");
    let problem = at(problem, KEY, "this list is empty", report);
    report.add(problem);
}

/// Certificates and TLS listeners need each other.
fn certificates(config: &Config, report: &mut Report) {
    const KEY: &str = "switchboard.tls_listen";
    let (encrypted, certificates) = (&config.switchboard.tls_listen, &config.certificates);
    // A certificate that was refused is one all the same.
    if encrypted.is_empty() == certificates.is_empty() || !report.sound(&[KEY, "certificate"]) {
        return;
    }
    let problem = if certificates.is_empty() {
        let problem = Problem::new(KEY, format!("`{KEY}` needs a certificate"));
        let problem = at(problem, KEY, "nothing to show to clients", report);
        problem.help("add a [[certificate]] with cert = \"cert.pem\" and key = \"key.pem\"")
    } else {
        let problem = Problem::new("certificate[0]", "no listener shows this certificate");
        let problem = at(problem, "certificate[0]", "for TLS listeners, and there are none", report);
        problem.help(format!("set `{KEY}`, such as tls_listen = \"0.0.0.0:443\", or remove the certificate"))
    };
    report.add(problem);
}

/// Tokens are checked by all that there is to check, or not at all.
fn auth(config: &Config, report: &mut Report) {
    let auth = &config.mcp.auth;
    let keys = [
        ("mcp.auth.issuer", auth.issuer.is_some(), "issuer = \"https://login.example\""),
        ("mcp.auth.audience", auth.audience.is_some(), "audience = \"https://mcp.example/mcp\""),
        ("mcp.auth.jwks", auth.jwks.is_some(), "jwks = \"https://login.example/keys\""),
    ];
    let others = [("mcp.auth.scopes", auth.scopes.is_empty()), ("mcp.auth.tools", auth.tools.0.is_empty())];
    let set = keys.iter().filter(|(_, set, _)| *set).map(|(key, ..)| *key);
    let others = others.into_iter().filter(|(_, is_empty)| !is_empty).map(|(key, _)| key);
    let set: Vec<_> = set.chain(others).collect();
    let Some(first) = set.first().filter(|_| report.sound(&keys.map(|(key, ..)| key))) else { return };
    for (key, _, example) in keys.iter().filter(|(_, set, _)| !set) {
        let problem = Problem::new(*key, format!("`{key}` is missing"));
        let problem = at(problem, first, "this takes it", report);
        report.add(problem.help(format!("add {example}")));
    }
}

fn loopback_only(listeners: &[Listener<'_>], reason: &str, report: &mut Report) {
    for Listener { key, address } in listeners.iter().filter(|listener| !listener.address.is_loopback()) {
        let port = address.port().unwrap_or_default();
        let problem = Problem::new(key, format!("`{key}` must be a loopback address or a Unix socket"))
            .note(reason)
            .help(format!("write \"127.0.0.1:{port}\""));
        let problem = at(problem, key, "others can reach this", report);
        report.add(problem);
    }
}

fn equal(listeners: &[Listener<'_>], report: &mut Report) {
    for (index, later) in listeners.iter().enumerate() {
        let earlier = listeners[..index].iter().find(|earlier| collide(earlier.address, later.address));
        let Some(earlier) = earlier else { continue };
        let message =
            format!("`{}` and `{}` cannot both listen on {}", earlier.key, later.key, later.address);
        let sides = [
            Side { key: &later.key, label: "one listener", value: later.address },
            Side { key: &earlier.key, label: "the other one", value: earlier.address },
        ];
        let problem = between(Problem::new(&later.key, message), report, sides);
        report.add(problem);
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

fn long_paths(listeners: &[Listener<'_>], report: &mut Report) {
    for Listener { key, address } in listeners {
        let Address::Unix(path) = address else { continue };
        let length = path.as_os_str().len();
        if length <= SOCKET_PATH {
            continue;
        }
        let problem = Problem::new(key, format!("the path of the Unix socket `{key}` is too long"))
            .note(format!("the path is {}", path.display()));
        let label = format!("{length} bytes, of {SOCKET_PATH} that the system takes");
        let problem = at(problem, key, &label, report);
        report.add(problem);
    }
}

/// A server that is Ostler itself would be sent its own requests without end.
fn loops(rules: &[Rule], listeners: &[Listener<'_>], report: &mut Report) {
    for Rule { path, server, .. } in rules {
        let Some(Target::Url(upstream)) = server.as_ref().map(|server| &server.target) else { continue };
        let leads_to = |own: &Address| known_addresses(upstream).any(|address| address.reaches(own));
        let Some(own) = listeners.iter().find(|listener| leads_to(listener.address)) else {
            continue;
        };
        let key = format!("{path}.url");
        let sides = [
            Side { key: &key, label: "requests would go round in a circle", value: upstream },
            Side { key: &own.key, label: "this listens there", value: own.address },
        ];
        let problem = between(Problem::new(&key, format!("`{key}` is Ostler itself")), report, sides);
        report.add(problem);
    }
}

/// The addresses of an upstream, as far as they are known without looking up a name. `localhost` and all names below it are
/// this machine's (RFC 6761, section 6.3).
fn known_addresses(upstream: &Upstream) -> impl Iterator<Item = Address> {
    let addresses = match upstream {
        Upstream::Address(address) => vec![address.clone()],
        Upstream::Name { host, port } if host.as_str().rsplit('.').next() == Some("localhost") => {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            loopback.map(|ip| Address::Tcp((ip, *port).into())).to_vec()
        }
        Upstream::Name { .. } => Vec::new(),
    };
    addresses.into_iter()
}
