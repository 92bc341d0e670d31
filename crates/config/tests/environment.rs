//! Variables of the environment that override keys.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use insta::assert_snapshot;
use ostler_config::{Config, ConfigError, Loaded, Location};

/// The quickstart with these variables.
fn with(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    Config::load(None, variables.iter().copied())
}

fn refusal(variables: &[(&str, &str)]) -> String {
    with(variables).expect_err("these variables are wrong").to_string()
}

#[test]
fn two_underscores_lead_into_a_section() {
    let loaded = with(&[
        ("OSTLER_POOL__MAX_SERVERS", "50"),
        ("ostler_pool__backoff__factor", "1.5"),
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0, [::1]:0"),
        ("OSTLER_SWITCHBOARD__FIRST_LABEL", "true"),
        ("OSTLER_SWITCHBOARD__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
        ("OSTLER_POOL__MAX_USES", "never"),
        ("OSTLER_LOG", "debug"),
    ])
    .unwrap();
    assert_eq!(loaded.config.pool.max_servers, 50);
    assert!((loaded.config.pool.backoff.factor - 1.5).abs() < f64::EPSILON);
    assert_eq!(loaded.config.switchboard.listen.len(), 2);
    assert!(loaded.config.switchboard.first_label);
    assert_eq!(loaded.config.switchboard.trusted_proxies.len(), 1);
    assert_eq!(loaded.config.log.filter.as_str(), "debug");
    assert_eq!(loaded.overridden_by.len(), 7);
    assert_eq!(loaded.overridden_by[0], "OSTLER_LOG");
}

#[test]
fn a_smaller_pool_makes_the_quickstart_smaller() {
    let loaded = with(&[("OSTLER_POOL__MAX_SERVERS", "3")]).unwrap();
    assert_eq!(loaded.config.servers[0].max, 3);
}

#[test]
fn variables_of_others_are_left_alone() {
    let loaded = with(&[
        ("OSTLER_HOST", "x"),
        ("OSTLER_INSTANCE", "x"),
        ("OSTLER_GENERATION", "x"),
        ("OSTLER_GUARD_PIPE__FD", "x"),
        ("OSTLER_LOG", ""),
        ("OSTLER_CONFIG", ""),
        ("OSTLER_SERVICE_PORT", "x"),
        ("POOL__MAX_SERVERS", "x"),
        ("PATH", "x"),
    ])
    .unwrap();
    assert_eq!(loaded.config, Config::quickstart());
    assert!(loaded.overridden_by.is_empty());
}

#[test]
fn a_wrong_value_is_shown_in_its_variable() {
    assert_snapshot!(refusal(&[("OSTLER_POOL__MAX_SERVERS", "many")]), @r#"
    error: `pool.max_servers` must be a whole number from 1 to 100000
     |
     | OSTLER_POOL__MAX_SERVERS=many
     |                          ^^^^ `many` is not a number
     |
     = note: this variable is set in the environment
    "#);
    assert_snapshot!(refusal(&[("OSTLER_POOL__IDLE_TIMEOUT", "10")]), @r#"
    error: `pool.idle_timeout` must be a duration such as "30s" or "10m", or "never", from "10ms" to "365d"
     |
     | OSTLER_POOL__IDLE_TIMEOUT=10
     |                           ^^ this number has no unit
     |
     = note: this variable is set in the environment
     = help: name the unit: "10s" for seconds, "10ms" for milliseconds
    "#);
    assert_snapshot!(refusal(&[("OSTLER_ADMIN__LISTEN", "0.0.0.0:8001")]), @r#"
    error: `admin.listen` must be a loopback address or a Unix socket
     |
     | OSTLER_ADMIN__LISTEN=0.0.0.0:8001
     |                      ^^^^^^^^^^^^ others can reach this
     |
     = note: this variable is set in the environment
     = note: whoever reaches the admin API can stop every server, and this version asks nobody who they are
     = help: write "127.0.0.1:8001"
    "#);
}

#[test]
fn an_unknown_variable_is_told_the_nearest_one_and_its_value_is_not_shown() {
    let text = refusal(&[("OSTLER_POOL__MAX_SERVRS", "secret")]);
    assert!(!text.contains("secret"));
    assert_snapshot!(text, @r#"
    error: `OSTLER_POOL__MAX_SERVRS` sets no key that exists
     |
     | OSTLER_POOL__MAX_SERVRS
     | ^^^^^^^^^^^^^^^^^^^^^^^
     |
     = help: did you mean `OSTLER_POOL__MAX_SERVERS`?
    "#);
}

#[test]
fn a_variable_is_about_one_key_that_can_be_overridden() {
    assert_snapshot!(refusal(&[("OSTLER_POOL__BACKOFF", "1")]), @r#"
    error: `OSTLER_POOL__BACKOFF` names a section and not a key
     |
     | OSTLER_POOL__BACKOFF
     | ^^^^^^^^^^^^^^^^^^^^
     |
     = help: name one of its keys: `OSTLER_POOL__BACKOFF__INITIAL`
    "#);
    assert_snapshot!(refusal(&[("OSTLER_SERVER__0__HOST", "a.localhost")]), @r#"
    error: `OSTLER_SERVER__0__HOST` cannot set a key of a server
     |
     | OSTLER_SERVER__0__HOST
     | ^^^^^^^^^^^^^^^^^^^^^^
     |
     = help: servers are written in the configuration file only
    "#);
    assert_snapshot!(refusal(&[("OSTLER_CLUSTER__LISTEN", "127.0.0.1:1")]), @r#"
    error: `OSTLER_CLUSTER__LISTEN`: `[cluster]` is not in this version of Ostler
     |
     | OSTLER_CLUSTER__LISTEN
     | ^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refusal(&[("OSTLER_POOL_MAX_SERVERS", "1")]), @r#"
    error: `OSTLER_POOL_MAX_SERVERS` sets nothing: sections and keys are joined by two underscores
     |
     | OSTLER_POOL_MAX_SERVERS
     | ^^^^^^^^^^^^^^^^^^^^^^^
     |
     = help: did you mean `OSTLER_POOL__MAX_SERVERS`?
    "#);
    assert_snapshot!(refusal(&[("OSTLER_POOL__MAX_SERVERS", "1"), ("Ostler_Pool__Max_Servers", "2")]), @r#"
    error: `OSTLER_POOL__MAX_SERVERS` and `Ostler_Pool__Max_Servers` both set `pool.max_servers`
     |
     | Ostler_Pool__Max_Servers
     | ^^^^^^^^^^^^^^^^^^^^^^^^
     |
     = help: remove one of them
    "#);
}

#[test]
fn a_variable_and_a_key_of_the_file_can_contradict_each_other() {
    assert_snapshot!(refusal(&[("OSTLER_ADMIN__LISTEN", "127.0.0.1:8000")]), @r#"
    error: `switchboard.listen` and `admin.listen` cannot both listen on 127.0.0.1:8000
     |
     | OSTLER_ADMIN__LISTEN=127.0.0.1:8000
     |                      ^^^^^^^^^^^^^^ one listener
     |
     = note: this variable is set in the environment
     = note: `switchboard.listen` is 127.0.0.1:8000 by default
    "#);
    assert_snapshot!(refusal(&[("OSTLER_POOL__BASE_PORT", "65000"), ("OSTLER_POOL__MAX_SERVERS", "1000")]), @r#"
    error: there are 536 ports from `pool.base_port` on, and `pool.max_servers` is 1000
     |
     | OSTLER_POOL__BASE_PORT=65000
     |                        ^^^^^ too high for so many servers
     |
    ::: 
     | OSTLER_POOL__MAX_SERVERS=1000
     |                          ---- too many servers for so few ports
     |
     = note: this variable is set in the environment
    "#);
}

#[test]
fn a_finding_names_the_variable() {
    let Err(ConfigError::Wrong(problems)) = with(&[("OSTLER_POOL__MAX_SERVERS", "0")]) else {
        panic!("wrong")
    };
    let finding = problems.findings().next().unwrap();
    assert_eq!(finding.key, "pool.max_servers");
    assert_eq!(finding.location, Location::Variable("OSTLER_POOL__MAX_SERVERS".to_owned()));
}

#[test]
fn a_value_that_is_not_utf8_is_refused() {
    let value = OsString::from_vec(vec![0xff]);
    let error = Config::load(None, [("OSTLER_LOG__FILTER", value)]).unwrap_err();
    assert!(error.to_string().contains("the value of `OSTLER_LOG__FILTER` is not UTF-8"), "{error}");
}
