//! What to say of a key that does not exist.

use crate::document::{Entry, Value};
use crate::problem::Problem;
use crate::reader::below;
use crate::visit;
use crate::words::{all_of, nearest, quoted};

/// Sections that later versions will have, so that nobody looks for a typing error in them.
pub(crate) const LATER: [&str; 2] = ["agent", "cluster"];

/// The problem with `entry` of the table at `path`, which has the keys `known`.
pub(crate) fn key(path: &str, entry: &Entry, known: &[&str]) -> Problem {
    if path.is_empty() {
        return section(entry, known);
    }
    let full = below(path, &entry.key);
    let problem = Problem::new(&full, format!("unknown key {}", quoted(&full)))
        .at(&entry.key_place, format!("not a key of `{}`", header(path)));
    // What is spelled right is more likely in the wrong place than another key spelled wrong.
    if let Some(table) = elsewhere(&entry.key) {
        return problem.help(format!("`{}` is a key of `{}`", entry.key, header(&table)));
    }
    problem.help(match nearest(&entry.key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys of `{}` are {}", header(path), all_of(known)),
    })
}

/// The problem with `entry` of the top level.
fn section(entry: &Entry, known: &[&str]) -> Problem {
    let name = &entry.key;
    if LATER.contains(&name.as_str()) {
        return Problem::new(name, format!("`[{name}]` is not in this version of Ostler"))
            .at(&entry.key_place, "a later version will have it")
            .help(format!("the sections are {}", headers(known)));
    }
    let problem = match entry.node.value {
        Value::Table(_) | Value::Array(_) => Problem::new(name, format!("unknown section {}", quoted(name)))
            .at(&entry.key_place, "there is none"),
        Value::Text(_)
        | Value::Untyped(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Date => {
            Problem::new(name, format!("unknown key {}", quoted(name))).at(&entry.key_place, "in no section")
        }
    };
    if let Some(near) = nearest(name, known.iter().copied()) {
        return problem.help(format!("did you mean `{}`?", header(near)));
    }
    problem.help(match elsewhere(name) {
        Some(table) => format!("`{name}` is a key of `{}`", header(&table)),
        None => format!("the sections are {}", headers(known)),
    })
}

/// The table that does have this key.
fn elsewhere(key: &str) -> Option<String> {
    visit::keys()
        .iter()
        .filter_map(|path| path.rsplit_once('.'))
        .find(|(_, last)| *last == key)
        .map(|(table, _)| table.to_owned())
}

/// The header of a table as it is written in a file.
fn header(path: &str) -> String {
    match path.split('[').next() {
        Some(list @ ("server" | "certificate")) => format!("[[{list}]]"),
        Some(_) | None => format!("[{path}]"),
    }
}

fn headers(known: &[&str]) -> String {
    let headers: Vec<_> = known.iter().map(|name| header(name)).collect();
    all_of(&headers.iter().map(String::as_str).collect::<Vec<_>>())
}
