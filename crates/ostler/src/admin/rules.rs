//! What the configuration says of a key.

use std::sync::Arc;

use ostler_config::{Server, Target};
use ostler_switchboard::Routes;

/// The `[[server]]` sections, by host.
#[derive(Clone, Debug)]
pub(super) struct Rules(Arc<Routes<Rule>>);

/// One `[[server]]`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its host pattern.
    pub(super) host: String,
    /// Its command with the placeholders still in it, if it is one.
    pub(super) command: Option<Vec<String>>,
}

impl Rules {
    pub(super) fn new(servers: &[Server]) -> Self {
        let rule = |server: &Server| {
            let command = match &server.target {
                Target::Command(command) => Some(command.argv.clone()),
                Target::Builtin(_) | Target::Url(_) => None,
            };
            (server.host.clone(), Rule { host: server.host.to_string(), command })
        };
        Self(Arc::new(servers.iter().map(rule).collect()))
    }

    /// The one that serves `key`.
    pub(super) fn of(&self, key: &str) -> Option<&Rule> {
        self.0.find(key)
    }
}
