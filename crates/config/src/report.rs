//! What reading a document found out: its problems, and where each key was set.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::Place;
use crate::problem::Problem;

/// Where one key of the document and its value stand.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) key: Place,
    pub(crate) value: Place,
}

/// Collected while the document is read; the checks across keys look places up in it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    set: BTreeMap<String, Set>,
    /// Keys whose value was refused: their default stands in, and no check may judge it.
    refused: BTreeSet<String>,
}

impl Report {
    pub(crate) fn add(&mut self, problem: Problem) {
        self.refused.insert(problem.key.clone());
        self.problems.push(problem);
    }

    /// Remembers where `key` was set.
    pub(crate) fn place(&mut self, key: &str, key_place: &Place, value: &Place) {
        self.set.insert(key.to_owned(), Set { key: key_place.clone(), value: value.clone() });
    }

    /// Where `key` was set, if it was.
    pub(crate) fn set(&self, key: &str) -> Option<&Set> {
        self.set.get(key)
    }

    /// Whether the values of all these keys, and of what is below them, are what their author meant.
    pub(crate) fn sound(&self, keys: &[&str]) -> bool {
        let under = |refused: &str, key: &str| {
            refused.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        !keys.iter().any(|key| self.refused.iter().any(|refused| under(refused, key)))
    }
}
