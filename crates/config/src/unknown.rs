//! What to say of a key that does not exist.

use crate::document::Entry;
use crate::problem::Problem;
use crate::reader::below;
use crate::section;
use crate::words::{all_of, nearest, quoted};

/// Sections that later versions will have, so that nobody looks for a typing error in them.
pub(crate) const LATER: [&str; 4] = ["mcp", "agent", "store", "cluster"];

/// The problem with `entry` of the table at `path`, which has the keys `known`.
pub(crate) fn key(path: &str, entry: &Entry, known: &[&str]) -> Problem {
    let full = below(path, &entry.key);
    if path.is_empty() && LATER.contains(&entry.key.as_str()) {
        return Problem::new(&full, format!("`{full}` is not in this version of Ostler"))
            .at(&entry.key_place, "a later version will have it")
            .help(format!("this version has {}", all_of(known)));
    }
    let problem = Problem::new(&full, format!("unknown key {}", quoted(&full)))
        .at(&entry.key_place, format!("not a key of {}", table_name(path)));
    if let Some(near) = nearest(&entry.key, known.iter().copied()) {
        return problem.help(format!("did you mean `{near}`?"));
    }
    let elsewhere = section::keys()
        .into_iter()
        .find(|other| other.rsplit_once('.').is_some_and(|(_, last)| last == entry.key));
    problem.help(match elsewhere.as_deref().and_then(|other| other.rsplit_once('.')) {
        Some((table, _)) => format!("`{}` is a key of {}", entry.key, table_name(table)),
        None => format!("the keys of {} are {}", table_name(path), all_of(known)),
    })
}

/// A table as its header is written in a file.
fn table_name(path: &str) -> String {
    match path.split_once('[') {
        Some((list, _)) => format!("`[[{list}]]`"),
        None if path.is_empty() => "the top level".to_owned(),
        None if path == "server" => "`[[server]]`".to_owned(),
        None => format!("`[{path}]`"),
    }
}
