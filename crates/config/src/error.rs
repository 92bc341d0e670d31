//! Why there is no configuration, told for people and for programs.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::document::Place;
use crate::problem::Problem;
use crate::render;

/// Why there is no configuration. Its text is plain; [`render`](Self::render) has it in colour too.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Wrong(Problems),
}

impl ConfigError {
    /// The whole text for a terminal, without a line break at its end.
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Unreadable { .. } => render::title(&self.to_string(), color),
            Self::Wrong(problems) => render::problems(problems, color),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Clone, Debug)]
pub struct Problems {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) problems: Vec<Problem>,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// One thing that is wrong, without the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the key: `pool.max_servers`, `server[0].host`; empty for the file as a whole.
    pub key: String,
    /// Where it is.
    pub location: Location,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the file, from 1; the column counts characters.
    File {
        /// Path or name of the file.
        name: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// In this variable of the environment.
    Variable(String),
}

impl Problems {
    pub(crate) fn new(name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        // A file comes first, from its top; variables follow in the order of their names.
        problems.sort_by_key(|problem| match &problem.place {
            Some(Place::File(range)) => (range.start, String::new()),
            None => (usize::MAX, String::new()),
            Some(Place::Variable { name, .. }) => (usize::MAX, name.to_string()),
        });
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), text: text.to_owned(), problems, lines }
    }

    /// Every problem, for programs.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.problems.iter().map(|problem| Finding {
            key: problem.key.clone(),
            location: self.location(problem.place.as_ref()),
            message: problem.message.clone(),
            help: problem.help.clone(),
        })
    }

    /// The line, from 1, of a byte of the text.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|begins| *begins <= byte)
    }

    fn location(&self, place: Option<&Place>) -> Location {
        let start = match place {
            Some(Place::Variable { name, .. }) => return Location::Variable(name.to_string()),
            Some(Place::File(range)) => range.start,
            None => 0,
        };
        let line = self.line(start);
        let begins = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.text.get(begins..start).map_or(0, |before| before.chars().count()) + 1;
        Location::File { name: self.name.clone(), line, column }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::problems(self, false))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}
