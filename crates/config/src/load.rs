//! From a file and an environment to a configuration.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::check::{Rule, check};
use crate::config::{Config, Document};
use crate::document::{Node, Place, Value};
use crate::environment::Variables;
use crate::error::{ConfigError, Problems};
use crate::problem::Problem;
use crate::reader::Reader;
use crate::report::Report;
use crate::{certificate, resolve};

/// The file that is read if none is named.
const FILE: &str = "ostler.toml";

/// How long a configuration file may be, in bytes.
const LONGEST: u64 = 1 << 20;

/// What is served without any configuration.
const QUICKSTART: &str = "\
[[server]]
host = \"*.localhost\"
builtin = \"echo\"

[mcp]
listen = \"127.0.0.1:8002\"
tools = [\"demo\"]
";

/// A configuration and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where it came from.
    pub origin: Origin,
    /// The variables of the environment that overrode keys, in the order of their names.
    pub overridden_by: Vec<String>,
}

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// There was no file: it is [`Config::quickstart`].
    Quickstart,
}

impl Config {
    /// Reads the configuration: the file at `path`, else the one that `OSTLER_CONFIG` names, else `ostler.toml` in the
    /// current directory if it exists, else the quickstart.
    ///
    /// Variables of `environment` override its keys: `OSTLER_POOL__MAX_SERVERS=50`, with two underscores between sections and
    /// keys, in upper or lower case. A list is separated by commas or written as in the file. `OSTLER_LOG` is short for
    /// `OSTLER_LOG__FILTER`. Servers are written in the file only. Other variables without two underscores are not read, so that
    /// those that Ostler gives to its servers are no overrides.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is wrong. All that is wrong is told at once.
    pub fn load<K: Into<OsString>, V: Into<OsString>>(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Loaded, ConfigError> {
        let variables = Variables::new(environment);
        let named = path.map(Path::to_owned).or_else(|| variables.config.clone());
        let path = named.or_else(|| Path::new(FILE).exists().then(|| FILE.into()));
        let Some(path) = path else {
            let (config, overridden_by) = read("quickstart", QUICKSTART, Path::new(""), variables)?;
            return Ok(Loaded { config, origin: Origin::Quickstart, overridden_by });
        };
        let unreadable = |source| ConfigError::Unreadable { path: path.clone(), source };
        let bytes = read_file(&path).map_err(unreadable)?;
        let absolute = std::path::absolute(&path).map_err(unreadable)?;
        let directory = absolute.parent().unwrap_or(Path::new("/"));
        let name = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
        let (config, overridden_by) = read(&name, &text, directory, variables)?;
        Ok(Loaded { config, origin: Origin::File(path), overridden_by })
    }

    /// Reads a configuration from `text`; `name` is what errors call it, and relative paths begin at its directory.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, at once.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let directory = Path::new(name).parent().unwrap_or(Path::new(""));
        read(name, text, directory, Variables::default()).map(|(config, _)| config)
    }

    /// What is served without any configuration: the echo server on `*.localhost`, for at most 10 hosts, and the demo tools.
    pub fn quickstart() -> Self {
        Self::parse(QUICKSTART, "quickstart")
            .expect("the quickstart is a right configuration: a test reads it")
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a configuration has at most 1 MiB"));
    }
    Ok(bytes)
}

fn read(
    name: &str,
    text: &str,
    directory: &Path,
    variables: Variables,
) -> Result<(Config, Vec<String>), ConfigError> {
    let wrong = |problems| ConfigError::Wrong(Problems::new(name, text, problems));
    let mut root = Node::parse_file(text).map_err(|error| wrong(vec![syntax(&error)]))?;
    let mut report = Report::default();
    let overridden_by = match &mut root.value {
        Value::Table(document) => variables.apply(document, &mut report),
        _ => Vec::new(),
    };
    let document = Reader::new(&mut report).section::<Document>(&root).unwrap_or_default();
    let config = assemble(document, directory, &mut report);
    if report.problems.is_empty() { Ok((config, overridden_by)) } else { Err(wrong(report.problems)) }
}

/// Puts the sections together, and checks what only the whole shows.
fn assemble(document: Document, directory: &Path, report: &mut Report) -> Config {
    let Document {
        mut switchboard,
        mut admin,
        builtin,
        pool,
        server,
        certificate,
        mut mcp,
        mut tools,
        mut store,
        log,
    } = document;
    let listens = [&mut switchboard.listen, &mut switchboard.tls_listen, &mut admin.listen, &mut mcp.listen];
    for listen in listens {
        *listen =
            std::mem::take(listen).into_iter().map(|address| resolve::resolved(address, directory)).collect();
    }
    resolve::store(&mut store, directory);
    resolve::jwks(&mut mcp.auth, directory);
    mcp.audit = mcp.audit.take().map(|path| resolve::join(directory, path));
    resolve::tools(&mut tools, directory);
    let rules: Vec<_> = server
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let (path, host) = (format!("server[{index}]"), table.host.clone());
            let server = resolve::server(table, &path, &pool, directory, report);
            Rule { path, host, server }
        })
        .collect();
    let certificates: Vec<_> = certificate
        .into_iter()
        .enumerate()
        .filter_map(|(index, table)| {
            certificate::files(table, &format!("certificate[{index}]"), directory, report)
        })
        .collect();
    let servers = Vec::new();
    let mut config =
        Config { switchboard, admin, builtin, pool, servers, certificates, mcp, tools, store, log };
    check(&config, &rules, report);
    config.servers = rules.into_iter().filter_map(|rule| rule.server).collect();
    config
}

fn syntax(error: &toml::de::Error) -> Problem {
    let place = Place::File(error.span().unwrap_or_default());
    Problem::new("", "this is not TOML").at(&place, error.message())
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> ConfigError {
    let end = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let wrong = end..end + char::REPLACEMENT_CHARACTER.len_utf8();
    let problem =
        Problem::new("", "a configuration file is UTF-8").at(&Place::File(wrong), "this byte is not");
    ConfigError::Wrong(Problems::new(name, &text, vec![problem]))
}
