//! Configuration files and the variables that override them.

use ostler_config::{Config, ConfigError, Location};

use crate::text;

/// A file: it is right, or every finding says what is wrong and points into it.
pub fn configuration(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match Config::parse(text, "ostler.toml") {
        Ok(config) => {
            assert_eq!(Config::parse(text, "ostler.toml").unwrap(), config);
            // What is behind a comment changes nothing.
            assert_eq!(
                Config::parse(&format!("# {}\n{text}", "x".repeat(99)), "ostler.toml").unwrap(),
                config
            );
        }
        Err(error) => told(&error, text),
    }
}

/// Variables, one a line: they are taken, or every finding says what is wrong with which of them.
pub fn environment(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let variables: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        // It would name a file.
        .filter(|(name, _)| !name.eq_ignore_ascii_case("OSTLER_CONFIG"))
        .collect();
    match Config::load(None, variables.clone()) {
        Ok(loaded) => {
            for name in loaded.overridden_by {
                assert!(variables.iter().any(|(given, _)| *given == name), "{name}");
            }
        }
        Err(error) => told(&error, "[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\n"),
    }
}

fn told(error: &ConfigError, text: &str) {
    assert!(!error.to_string().is_empty() && error.render(false).len() >= error.to_string().len() / 2);
    let ConfigError::Wrong(problems) = error else { panic!("a text is always readable: {error}") };
    assert!(problems.findings().count() > 0);
    for finding in problems.findings() {
        assert!(!finding.message.is_empty());
        match finding.location {
            Location::File { line, column, .. } => {
                // The end of the last line is behind its last character.
                let lines: Vec<&str> = text.split('\n').collect();
                let length = lines.get(line - 1).unwrap_or_else(|| panic!("no line {line}")).chars().count();
                assert!(column >= 1 && column <= length + 1, "{line}:{column}: {}", finding.message);
            }
            Location::Variable(name) => assert!(!name.is_empty()),
        }
    }
}
