//! What a configuration serves, as a table.

use ostler_config::{Builtin, Config, Ready, Server, Target, Upstream};
use ostler_net::{Address, HostPattern};

use super::table::Table;
use super::words::{command_line, human};

/// The longest command that is shown whole, in characters.
const COMMAND: usize = 60;

/// One row for each `[[server]]`.
pub(super) fn table(config: &Config) -> Table {
    let mut table = Table::new(&["HOST", "SERVED BY", "READY", "STOPS"]);
    for server in &config.servers {
        table.row([
            server.host.to_string().into(),
            by(server).into(),
            ready(server).into(),
            stops(server).into(),
        ]);
    }
    table
}

/// An address as it is typed into a client.
pub(super) fn url(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    }
}

/// Where the endpoint is.
pub(super) fn mcp_url(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("http://{address}/mcp"),
        Address::Unix(_) => address.to_string(),
    }
}

/// The same for a listener with TLS.
pub(super) fn encrypted_url(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("https://{address}"),
        Address::Unix(_) => format!("{address} (TLS)"),
    }
}

fn by(server: &Server) -> String {
    match &server.target {
        Target::Command(command) => shortened(&command_line(&command.argv)),
        Target::Builtin(Builtin::Echo) => "echo (built in)".to_owned(),
        Target::Url(upstream @ Upstream::Address(_)) => upstream.to_string(),
        Target::Url(upstream @ Upstream::Name { .. }) => upstream.to_string(),
    }
}

fn ready(server: &Server) -> String {
    match &server.target {
        Target::Command(command) => match &command.ready {
            Ready::Accept => "when it accepts".to_owned(),
            Ready::Path(path) => format!("GET {path}"),
        },
        Target::Builtin(_) => "at once".to_owned(),
        Target::Url(_) => "runs already".to_owned(),
    }
}

fn stops(server: &Server) -> String {
    let when = match (&server.target, server.policy.idle_timeout.value()) {
        (Target::Url(_), _) => return "not by Ostler".to_owned(),
        (Target::Command(_) | Target::Builtin(_), Some(idle)) => format!("after {} idle", human(idle)),
        (Target::Command(_) | Target::Builtin(_), None) => "with Ostler".to_owned(),
    };
    match &server.host {
        HostPattern::Exact(_) => when,
        HostPattern::Wildcard(_) => format!("{when}, {} hosts at most", server.max),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(COMMAND) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
