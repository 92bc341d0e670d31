//! What `ostler up` says first: where it listens, what is served, and what to try.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ostler_config::{Builtin, Config, Origin, Target, ToolSet};
use ostler_net::{Address, HostPattern};

use super::paint::{Paint, Style};
use super::served;

/// How many hosts of a configuration are suggested.
const SUGGESTED: usize = 3;

/// What the greeting is about.
#[derive(Debug)]
pub(super) struct Greeting<'a> {
    pub(super) config: &'a Config,
    pub(super) origin: &'a Origin,
    /// Where Ostler really listens: the configuration may leave the port to the system.
    pub(super) switchboards: Vec<Address>,
    /// The same with TLS.
    pub(super) encrypted: Vec<Address>,
    pub(super) admins: Vec<Address>,
    /// Where the endpoint listens.
    pub(super) mcp: Vec<Address>,
}

impl Greeting<'_> {
    pub(super) fn text(&self, paint: Paint) -> String {
        let name = paint.style(Style::Heading, concat!("Ostler ", env!("CARGO_PKG_VERSION")));
        let mut text = match self.origin {
            Origin::File(path) => format!("{name} serves {}\n\n", path.display()),
            Origin::Quickstart => format!("{name} serves the quickstart: there is no ostler.toml here\n\n"),
        };
        for address in &self.switchboards {
            text.push_str(&format!("  switchboard  {}\n", served::url(address)));
        }
        for address in &self.encrypted {
            text.push_str(&format!("  switchboard  {}\n", served::encrypted_url(address)));
        }
        for address in &self.mcp {
            text.push_str(&format!("  mcp          {}\n", served::mcp_url(address)));
        }
        for address in &self.admins {
            text.push_str(&format!("  admin        {}\n", served::url(address)));
        }
        if self.config.servers.is_empty() {
            text.push_str("\nNo servers: every request is answered 404. Add a [[server]].\n");
        } else {
            text.push_str(&format!("\n{}", served::table(self.config).render("  ", paint)));
        }
        text.push_str("\nTry:\n");
        let tries = self.tries();
        let width = tries.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
        for (command, comment) in tries {
            let blanks = " ".repeat(width - command.chars().count());
            let comment = paint.style(Style::Faint, format!("# {comment}"));
            text.push_str(&format!("  {command}{blanks}  {comment}\n"));
        }
        text.push_str("\nCtrl+C drains and stops everything.\n");
        text
    }

    /// Commands, and what each shows.
    fn tries(&self) -> Vec<(String, &'static str)> {
        let mut tries = Vec::new();
        if let Some(address) = self.switchboards.first() {
            match self.origin {
                Origin::Quickstart => {
                    tries.push((
                        curl("", address, "hello.localhost", "/"),
                        "this first request starts a server",
                    ));
                    tries.push((curl("", address, "hello.localhost", "/health"), "how it is"));
                    tries.push((
                        curl("-N ", address, "other.localhost", "/sse"),
                        "each name is a server of its own",
                    ));
                }
                Origin::File(_) => {
                    for server in self.config.servers.iter().take(SUGGESTED) {
                        let host = match &server.host {
                            HostPattern::Exact(host) => host.to_string(),
                            HostPattern::Wildcard(suffix) => format!("any.{suffix}"),
                        };
                        let comment = match &server.target {
                            Target::Command(_) => "the first request starts it",
                            Target::Builtin(Builtin::Echo) => "says who answered what",
                            Target::Url(_) => "runs already, is passed on",
                        };
                        tries.push((curl("", address, &host, "/"), comment));
                    }
                }
            }
        }
        if self.config.mcp.tools.contains(&ToolSet::Demo) {
            let call = self.with_configuration("call book_flight");
            tries.push((call, "a tool that asks before it answers"));
        }
        tries.push((self.ostler("ps"), "what runs, and why"));
        tries.push((self.ostler("events"), "what happens, as it happens"));
        tries
    }

    /// A command line that finds this Ostler.
    fn ostler(&self, command: &str) -> String {
        let configured = self.config.admin.listen.first();
        match self.admins.first() {
            Some(address) if configured != Some(address) => {
                format!("ostler {command} --admin {address}")
            }
            _ => self.with_configuration(command),
        }
    }

    /// A command line that reads the same configuration.
    fn with_configuration(&self, command: &str) -> String {
        match self.origin {
            Origin::File(path) if path.as_os_str() != "ostler.toml" => {
                format!("ostler {command} --config {}", path.display())
            }
            Origin::File(_) | Origin::Quickstart => format!("ostler {command}"),
        }
    }
}

/// How to ask `host` through the listener at `address`.
fn curl(options: &str, address: &Address, host: &str, path: &str) -> String {
    match address {
        Address::Unix(socket) => {
            format!("curl {options}--unix-socket {} http://{host}{path}", socket.display())
        }
        // curl takes every name below `localhost` for this machine.
        Address::Tcp(address) if host.ends_with(".localhost") && is_localhost(address.ip()) => {
            format!("curl {options}http://{host}:{}{path}", address.port())
        }
        Address::Tcp(address) => {
            let ip = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
            let address = SocketAddr::new(ip, address.port());
            format!("curl {options}-H 'Host: {host}' http://{address}{path}")
        }
    }
}

fn is_localhost(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suggestion_reaches_the_listener() {
        let curl = |address: &str, host: &str| curl("", &address.parse().unwrap(), host, "/");
        assert_eq!(curl("127.0.0.1:8000", "a.localhost"), "curl http://a.localhost:8000/");
        assert_eq!(curl("0.0.0.0:80", "a.example"), "curl -H 'Host: a.example' http://127.0.0.1:80/");
        assert_eq!(curl("unix:/s", "a.localhost"), "curl --unix-socket /s http://a.localhost/");
        assert_eq!(curl("127.0.0.2:80", "a.localhost"), "curl -H 'Host: a.localhost' http://127.0.0.2:80/");
    }

    #[test]
    fn commands_name_the_admin_listener_when_the_configuration_does_not() {
        let config = Config::parse("[admin]\nlisten = \"127.0.0.1:0\"", "x.toml").unwrap();
        let greeting = Greeting {
            config: &config,
            origin: &Origin::File("x.toml".into()),
            switchboards: Vec::new(),
            encrypted: Vec::new(),
            admins: vec!["127.0.0.1:4000".parse().unwrap()],
            mcp: Vec::new(),
        };
        assert_eq!(greeting.ostler("ps"), "ostler ps --admin 127.0.0.1:4000");
        let fixed = Config::parse("[admin]\nlisten = \"127.0.0.1:4000\"", "x.toml").unwrap();
        let greeting = Greeting { config: &fixed, ..greeting };
        assert_eq!(greeting.ostler("ps"), "ostler ps --config x.toml");
    }
}
