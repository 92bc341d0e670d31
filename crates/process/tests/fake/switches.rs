//! `--name` or `--name=value`.

use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Switches(BTreeMap<String, String>);

pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Switches {
    Switches(
        arguments
            .map(|argument| {
                let text = argument.trim_start_matches("--");
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                (name.to_owned(), value.to_owned())
            })
            .collect(),
    )
}

impl Switches {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.number(name).map(Duration::from_millis)
    }

    /// All but the named ones, as they were written.
    pub(crate) fn without(&self, names: &[&str]) -> Vec<String> {
        self.0
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .map(|(name, value)| format!("--{name}={value}"))
            .collect()
    }
}
