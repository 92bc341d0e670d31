//! Files: which one is read, and what is said of one that cannot be.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use ostler_config::{Config, ConfigError, Origin, Target};

/// A directory of its own, removed at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ostler-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("the test's own directory is writable");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Loads without any variables.
fn load(path: &Path) -> Result<ostler_config::Loaded, ConfigError> {
    Config::load(Some(path), std::iter::empty::<(String, String)>())
}

#[test]
fn the_file_that_is_named_is_read_and_its_directory_is_where_paths_begin() {
    let directory = Directory::new("named");
    let path = directory
        .file("ostler.toml", "[[server]]\nhost = \"a.localhost\"\ncommand = [\"./a\"]\ncwd = \"a\"\n");
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.origin, Origin::File(path));
    let Target::Command(command) = &loaded.config.servers[0].target else { panic!("a command") };
    assert_eq!(command.cwd, directory.0.join("a"));
}

#[test]
fn a_variable_names_the_file_unless_the_command_line_does() {
    let directory = Directory::new("variable");
    let one = directory.file("one.toml", "[pool]\nmax_servers = 1\n");
    let two = directory.file("two.toml", "[pool]\nmax_servers = 2\n");
    let loaded = Config::load(None, [("OSTLER_CONFIG", &one)]).unwrap();
    assert_eq!(loaded.config.pool.max_servers, 1);
    let loaded = Config::load(Some(&two), [("OSTLER_CONFIG", &one)]).unwrap();
    assert_eq!(loaded.config.pool.max_servers, 2);
}

#[test]
fn without_a_file_there_is_the_quickstart() {
    let loaded = Config::load(None, std::iter::empty::<(String, String)>()).unwrap();
    assert_eq!(loaded.origin, Origin::Quickstart);
    assert_eq!(loaded.config, Config::quickstart());
}

#[test]
fn a_file_that_is_missing_or_a_directory_is_told() {
    let directory = Directory::new("missing");
    let missing = load(&directory.0.join("none.toml")).unwrap_err();
    assert!(matches!(&missing, ConfigError::Unreadable { .. }));
    let text = missing.render(false).replace(&directory.0.display().to_string(), "DIR");
    assert_snapshot!(text, @r#"
    error: cannot read the configuration `DIR/none.toml`: No such file or directory (os error 2)
    "#);
    assert!(matches!(load(&directory.0), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn a_file_that_is_not_text_is_told_where() {
    let directory = Directory::new("bytes");
    let path = directory.file("ostler.toml", b"[pool]\nmax_servers = \xff\n");
    let text = load(&path).unwrap_err().to_string().replace(&directory.0.display().to_string(), "DIR");
    assert_snapshot!(text, @r#"
    error: a configuration file is UTF-8
     --> DIR/ostler.toml:2:15
      |
    2 | max_servers = �
      |               ^ this byte is not
    "#);
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let Err(ConfigError::Unreadable { source, .. }) = load(Path::new("/dev/zero")) else {
        panic!("unreadable")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::FileTooLarge);
}
