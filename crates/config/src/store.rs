//! `[store]`: where journals are kept.

use std::fmt;
use std::path::PathBuf;

use schemars::{Schema, json_schema};

use crate::document::Value;
use crate::section::section;
use crate::setting::{Fault, Scalar};
use crate::words::quoted;

section! {
    /// Where the journals of tools are kept, so that what waits for an answer outlives this process.
    pub struct Store {
        /// `"sqlite:PATH"`, a file on a disk of this machine, or `"memory:"`, where nothing outlives the process. A relative path
        /// begins at the directory of the configuration file. Default: `ostler.db` in the data directory.
        url: Option<StoreUrl>;

        /// The data directory: the file of keys that states are sealed with, and the default store. Default: `$STATE_DIRECTORY`, as
        /// systemd sets it, else `$XDG_DATA_HOME/ostler`, else `~/.local/share/ostler`.
        directory: Option<PathBuf>;
    }
}

/// Where journals are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// In memory.
    Memory,
    /// In a SQLite database at this path.
    Sqlite(PathBuf),
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl Scalar for StoreUrl {
    fn expected() -> String {
        "\"sqlite:PATH\" or \"memory:\"".to_owned()
    }

    fn parse(value: &Value) -> Result<Self, Fault> {
        let text = value.text().ok_or_else(|| Fault::kind(value))?.trim();
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(Fault::new("this names no file").help("\"sqlite:ostler.db\"")),
                ":memory:" => Err(Fault::new("SQLite has no part in that").help("\"memory:\"")),
                path if path.contains('\0') => Err(Fault::new("a path has no zero byte")),
                path => Ok(Self::Sqlite(path.into())),
            },
            Some(_) | None => Err(Fault::new(format!("{} is no store", quoted(text)))
                .help("\"sqlite:ostler.db\" keeps journals in a file, \"memory:\" does not keep them")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(memory:|sqlite:.+)$", "examples": ["sqlite:ostler.db"] })
    }
}
