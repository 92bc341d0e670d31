//! Reads values at their paths, and keeps every problem.

use crate::document::{Entry, Node, Table, Value};
use crate::problem::Problem;
use crate::report::Report;
use crate::section::{Bounds, Field, Section, Visitor};
use crate::setting::{Fault, Setting, Side};
use crate::unknown;
use crate::visit::default;

/// Reads the value at one path of the document.
pub(crate) struct Reader<'r> {
    report: &'r mut Report,
    /// `pool.backoff`, `server[2]`; empty at the top.
    pub(crate) path: String,
    /// The bounds of the value here in words: an error about its type names them too.
    bounds: String,
}

impl<'r> Reader<'r> {
    /// At the top of the document.
    pub(crate) fn new(report: &'r mut Report) -> Self {
        Self { report, path: String::new(), bounds: String::new() }
    }

    fn at(&mut self, path: String) -> Reader<'_> {
        Reader { report: self.report, path, bounds: String::new() }
    }

    /// Reports that the value here is not what it must be.
    pub(crate) fn refuse(&mut self, node: &Node, expected: &str, fault: Fault) {
        let message = format!("`{}` must be {expected}{}", self.path, self.bounds);
        let mut problem = Problem::new(&self.path, message).at(&node.place, fault.label);
        problem.help = fault.help;
        problem.note = fault.note;
        self.report.add(problem);
    }

    /// Reads the value of a key below the table here: either of a section, or one that the user named.
    pub(crate) fn entry<T>(&mut self, entry: &Entry, read: impl FnOnce(&Node, &mut Reader<'_>) -> T) -> T {
        let path = below(&self.path, &entry.key);
        self.report.place(&path, &entry.key_place, &entry.node.place);
        read(&entry.node, &mut self.at(path))
    }

    /// Reads one item of the list here.
    pub(crate) fn item<T>(
        &mut self,
        at: usize,
        node: &Node,
        read: impl FnOnce(&Node, &mut Reader<'_>) -> T,
    ) -> T {
        let path = format!("{}[{at}]", self.path);
        self.report.place(&path, &node.place, &node.place);
        read(node, &mut self.at(path))
    }

    /// Reads the only item of a list that was written without its brackets.
    pub(crate) fn only<T>(&mut self, node: &Node, read: impl FnOnce(&Node, &mut Reader<'_>) -> T) -> T {
        let path = self.path.clone();
        read(node, &mut self.at(path))
    }

    /// Reads a value here and compares it with its bounds.
    pub(crate) fn bounded<T: Setting>(&mut self, node: &Node, bounds: Option<&Bounds>) -> Option<T> {
        let Some(bounds) = bounds else { return T::read(node, self) };
        self.bounds = T::bounds(&bounds.words());
        let value = T::read(node, self)?;
        let (low, high) = bounds.limits::<T>();
        let (label, why) = match value.magnitude() {
            Some(size) if size < low => (T::beyond(Side::Below, bounds.low), bounds.why),
            Some(size) if size > high => (T::beyond(Side::Above, bounds.high), None),
            Some(_) | None => return Some(value),
        };
        let note = why.map(str::to_owned);
        self.refuse(node, &T::expected(), Fault { note, ..Fault::new(label.replace('_', "")) });
        None
    }

    /// Reads the table here. Keys with problems have their defaults in the answer.
    pub(crate) fn section<S: Section>(&mut self, node: &Node) -> Option<S> {
        let Value::Table(table) = &node.value else {
            let help = format!("write it as a section of its own: [{}]", self.path);
            self.refuse(node, "a table", Fault::kind(&node.value).help(help));
            return None;
        };
        let mut keys = TableReader { table, reader: self, known: Vec::new() };
        let section = S::visit(&mut keys);
        let known = keys.known;
        for entry in table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let problem = unknown::key(&self.path, entry, &known);
            self.report.add(problem);
        }
        Some(section)
    }
}

/// The path of `key` in the table at `path`.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Reads a section out of a table.
struct TableReader<'a, 'r> {
    table: &'a Table,
    reader: &'a mut Reader<'r>,
    /// The keys asked for so far; what else the table has is unknown.
    known: Vec<&'static str>,
}

impl Visitor for TableReader<'_, '_> {
    fn field<T: Setting>(&mut self, field: &Field) -> T {
        self.known.push(field.key);
        let bounds = field.bounds.as_ref();
        self.table
            .get(field.key)
            .and_then(|entry| self.reader.entry(entry, |node, reader| reader.bounded(node, bounds)))
            .unwrap_or_else(|| default(field))
    }
}
