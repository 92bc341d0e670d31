//! What the crate promises, through its public API.

mod accepted;
mod documentation;
mod environment;
mod files;
mod hosts;
mod refusals;
mod robustness;
mod schema;

use ostler_config::{Config, ConfigError, Finding};

/// What is said of a wrong configuration.
fn refusal(text: &str) -> String {
    Config::parse(text, "ostler.toml").expect_err("this configuration is wrong").to_string()
}

/// What is wrong with a configuration, for programs.
fn findings(text: &str) -> Vec<Finding> {
    match Config::parse(text, "ostler.toml") {
        Err(ConfigError::Wrong(problems)) => problems.findings().collect(),
        other => panic!("this configuration is wrong, but: {other:?}"),
    }
}

/// A configuration that is right.
fn config(text: &str) -> Config {
    Config::parse(text, "ostler.toml")
        .unwrap_or_else(|error| panic!("this configuration is right, but:\n{error}"))
}
