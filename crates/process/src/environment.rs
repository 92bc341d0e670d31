//! What a child finds in its environment: names allowed through from ours, and what was added.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The names a child inherits from us unless told otherwise: what programs need to find their tools, their user's files, a
/// terminal, a language and a place for temporary files. Nothing that usually carries a secret.
pub const INHERITED: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TMPDIR",
    "TZ",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
];

/// Names that tell of descriptors which the service manager has passed to us, and which no child gets. Not to be let through.
const OF_OUR_DESCRIPTORS: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Names that begin like this are ours to set.
const RESERVED: &str = "OSTLER_";

/// An allow-list over our own environment, plus explicit variables, which win.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    inherited: Vec<String>,
    extra: BTreeMap<String, String>,
}

impl Environment {
    /// Nothing from ours.
    pub fn empty() -> Self {
        Self { inherited: Vec::new(), extra: BTreeMap::new() }
    }

    /// Lets `name` through when we have it.
    pub fn inherit(mut self, name: impl Into<String>) -> Self {
        self.inherited.push(name.into());
        self
    }

    /// Sets `name` whatever ours says.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// The first name or value that cannot be in an environment, or is ours to set.
    pub(crate) fn fault(&self) -> Option<&str> {
        let names = self.inherited.iter().chain(self.extra.keys());
        let bad_name =
            |name: &&String| name.is_empty() || name.contains(['=', '\0']) || name.starts_with(RESERVED);
        let bad_value = |(_, value): &(&String, &String)| value.contains('\0');
        names
            .map(|name| (name, bad_name(&name)))
            .chain(self.extra.iter().map(|pair| (pair.0, bad_value(&pair))))
            .find_map(|(name, bad)| bad.then_some(name.as_str()))
    }

    /// The variables of one child. `ours` looks a name up in our own environment.
    pub(crate) fn resolve(&self, ours: impl Fn(&str) -> Option<OsString>) -> BTreeMap<OsString, OsString> {
        let inherited = self.inherited.iter().filter(|name| !OF_OUR_DESCRIPTORS.contains(&name.as_str()));
        let inherited = inherited.filter_map(|name| Some((OsString::from(name), ours(name)?)));
        let extra = self.extra.iter().map(|(name, value)| (name.into(), value.into()));
        inherited.chain(extra).collect()
    }
}

impl Default for Environment {
    /// The names of [`INHERITED`] and nothing else.
    fn default() -> Self {
        Self { inherited: INHERITED.map(String::from).to_vec(), extra: BTreeMap::new() }
    }
}

/// Where the child's own `PATH` finds a program; a name with a slash is taken as it is.
pub(crate) fn find_program(program: &str, path: Option<&OsStr>) -> Option<OsString> {
    if program.contains('/') {
        return Some(program.into());
    }
    std::env::split_paths(path?)
        .map(|directory| directory.join(program))
        .find(|candidate| {
            rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok() && candidate.is_file()
        })
        .map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(name: &str) -> Option<OsString> {
        [("PATH", "/bin"), ("SECRET", "x"), ("LANG", "C")]
            .iter()
            .find_map(|(known, value)| (*known == name).then(|| OsString::from(value)))
    }

    #[test]
    fn only_allowed_names_are_inherited_and_explicit_ones_win() {
        let environment = Environment::default().set("LANG", "de").set("MORE", "1");
        let resolved = environment.resolve(ours);
        let expected = [("LANG", "de"), ("MORE", "1"), ("PATH", "/bin")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        assert_eq!(resolved.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_tells_of_our_descriptors_is_not_let_through() {
        let environment = Environment::empty().inherit("LISTEN_FDNAMES").inherit("LANG");
        let resolved = environment.resolve(|name| Some(name.into()));
        assert_eq!(resolved.into_keys().collect::<Vec<_>>(), ["LANG"]);
    }

    #[test]
    fn a_name_that_is_ours_to_set_or_cannot_exist_is_a_fault() {
        assert_eq!(Environment::default().fault(), None);
        assert_eq!(Environment::empty().set("OSTLER_INSTANCE", "1").fault(), Some("OSTLER_INSTANCE"));
        assert_eq!(Environment::empty().inherit("A=B").fault(), Some("A=B"));
        assert_eq!(Environment::empty().set("A", "\0").fault(), Some("A"));
    }
}
