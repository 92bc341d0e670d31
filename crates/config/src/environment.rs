//! Variables of the environment that override keys: `OSTLER_POOL__MAX_SERVERS=50`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::document::{Entry, Node, Place, Table, Value};
use crate::problem::Problem;
use crate::report::Report;
use crate::visit;
use crate::words::nearest;

const PREFIX: &str = "OSTLER_";

/// Names in the form of an override that Ostler's own processes use.
const RESERVED: &str = "GUARD";

/// The variables that are about the configuration.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// `OSTLER_CONFIG`.
    pub(crate) config: Option<PathBuf>,
    /// Name, as it was written, and value, in the order of their names.
    overrides: Vec<(String, OsString)>,
}

impl Variables {
    /// Picks them out of an environment.
    pub(crate) fn new<K: Into<OsString>, V: Into<OsString>>(
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut variables = Self::default();
        for (name, value) in environment {
            let (name, value) = (name.into(), value.into());
            let Some(name) = name.to_str() else { continue };
            let Some(rest) = strip_prefix(name) else { continue };
            match rest.as_str() {
                "CONFIG" if value.is_empty() => {}
                "CONFIG" => variables.config = Some(value.into()),
                "LOG" if value.is_empty() => {}
                reserved if reserved.starts_with(RESERVED) => {}
                _ => variables.overrides.push((name.to_owned(), value)),
            }
        }
        variables.overrides.sort();
        variables
    }

    /// Puts the overrides into the document in place of what the file says.
    pub(crate) fn apply(self, document: &mut Table, report: &mut Report) -> Vec<String> {
        let keys = visit::keys();
        let mut applied: Vec<(String, String)> = Vec::new();
        for (name, value) in self.overrides {
            let place = Place::Variable { name: name.as_str().into(), value: None };
            let key = match key(&name, keys) {
                Named::Nothing => continue,
                Named::Key(key) => key,
                Named::Wrong(problem) => {
                    report.add(problem.at(&place, ""));
                    continue;
                }
            };
            if let Some((other, _)) = applied.iter().find(|(_, set)| *set == key) {
                let message = format!("`{other}` and `{name}` both set `{key}`");
                report.add(Problem::new(key, message).at(&place, "").help("remove one of them"));
                continue;
            }
            match value.to_str() {
                Some(text) => {
                    let value = Place::Variable { name: name.as_str().into(), value: Some(text.into()) };
                    set(document, &key, text, &value);
                }
                None => report
                    .add(Problem::new(&key, format!("the value of `{name}` is not UTF-8")).at(&place, "")),
            }
            applied.push((name, key));
        }
        applied.into_iter().map(|(name, _)| name).collect()
    }
}

/// The variable that overrides the key at this path.
pub(crate) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

/// The name behind `OSTLER_` in upper case.
fn strip_prefix(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    name.strip_prefix(PREFIX).map(str::to_owned)
}

/// Lists of tables, whose entries have no name.
const LISTS: [&str; 2] = ["server", "certificate"];

/// What the name of a variable is about.
enum Named {
    Key(String),
    /// Not about the configuration.
    Nothing,
    Wrong(Problem),
}

fn key(name: &str, keys: &[String]) -> Named {
    let rest = strip_prefix(name).unwrap_or_default().to_ascii_lowercase();
    if rest == "log" {
        return Named::Key("log.filter".to_owned());
    }
    if !rest.contains("__") {
        return match keys.iter().find(|key| key.contains('.') && key.replace('.', "_") == rest) {
            Some(key) => Named::Wrong(
                Problem::new(
                    key,
                    format!("`{name}` sets nothing: sections and keys are joined by two underscores"),
                )
                .help(format!("did you mean `{}`?", variable(key))),
            ),
            None => Named::Nothing,
        };
    }
    let path = rest.replace("__", ".");
    let top = path.split('.').next().unwrap_or_default();
    if LISTS.contains(&top) {
        let problem = Problem::new(&path, format!("`{name}` cannot set a key of a {top}"));
        return Named::Wrong(problem.help(format!("{top}s are written in the configuration file only")));
    }
    if keys.contains(&path) {
        return Named::Key(path);
    }
    if crate::unknown::LATER.contains(&top) {
        return Named::Wrong(Problem::new(
            &path,
            format!("`{name}`: `[{top}]` is not in this version of Ostler"),
        ));
    }
    let below = format!("{path}.");
    if let Some(inside) = keys.iter().find(|key| key.starts_with(&below)) {
        let problem = Problem::new(&path, format!("`{name}` names a section and not a key"));
        return Named::Wrong(problem.help(format!("name one of its keys: `{}`", variable(inside))));
    }
    let problem = Problem::new(&path, format!("`{name}` sets no key that exists"));
    Named::Wrong(match nearest(&path, settable(keys)) {
        Some(near) => problem.help(format!("did you mean `{}`?", variable(near))),
        None => problem.help("the keys are those of the configuration file"),
    })
}

/// The keys that a variable can set.
fn settable(keys: &[String]) -> impl Iterator<Item = &str> {
    let listed = |key: &str| key.split_once('.').is_none_or(|(top, _)| LISTS.contains(&top));
    keys.iter().map(String::as_str).filter(move |key| !listed(key))
}

/// Sets one key, and makes the sections on the way to it.
fn set(document: &mut Table, key: &str, value: &str, place: &Place) {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let entry = match document.entries.iter().position(|entry| entry.key == first) {
        Some(index) => &mut document.entries[index],
        None => {
            let node = Node { value: Value::Table(Table::default()), place: place.clone() };
            document.entries.push(Entry { key: first.to_owned(), key_place: place.clone(), node });
            let last = document.entries.len() - 1;
            &mut document.entries[last]
        }
    };
    match (rest, &mut entry.node.value) {
        (None, _) => {
            entry.key_place = place.clone();
            entry.node = Node { value: Value::Untyped(value.to_owned()), place: place.clone() };
        }
        (Some(rest), Value::Table(table)) => set(table, rest, value, place),
        // The file has something else where the section belongs, which is reported when it is read.
        (Some(_), _) => {}
    }
}
