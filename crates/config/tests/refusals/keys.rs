//! Keys that do not exist, and texts that are not TOML.

use insta::assert_snapshot;

use crate::{findings, refusal};

#[test]
fn a_misspelt_key_is_told_with_its_place_and_the_nearest_one() {
    assert_snapshot!(refusal("[pool]\nmax_servrs = 5\n"), @r#"
    error: unknown key `pool.max_servrs`
     --> ostler.toml:2:1
      |
    2 | max_servrs = 5
      | ^^^^^^^^^^ not a key of `[pool]`
      |
      = help: did you mean `max_servers`?
    "#);
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    assert_snapshot!(refusal("[pool]\nmax_servrs = 5\nbase_port = \"9000\"\n\n[[server]]\nhost = \"a.localhost\"\nbuiltin = \"ecko\"\n\n[log]\nfilter = \"inof\"\n"), @r#"
    error: unknown key `pool.max_servrs`
     --> ostler.toml:2:1
      |
    2 | max_servrs = 5
      | ^^^^^^^^^^ not a key of `[pool]`
      |
      = help: did you mean `max_servers`?

    error: `pool.base_port` must be a whole number from 1024 to 65535
     --> ostler.toml:3:13
      |
    3 | base_port = "9000"
      |             ^^^^^^ this is a string
      |
      = help: write it without quotes: 9000

    error: `server[0].builtin` must be "echo"
     --> ostler.toml:7:11
      |
    7 | builtin = "ecko"
      |           ^^^^^^ `ecko` is none of these
      |
      = help: did you mean "echo"?

    error: `log.filter` must be a filter such as "info" or "info,ostler_pool=debug"
      --> ostler.toml:10:10
       |
    10 | filter = "inof"
       |          ^^^^^^ `inof` is no level
       |
       = help: did you mean "info"? The levels are "off", "error", "warn", "info", "debug" or "trace"

    error: 4 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_misspelt_section_is_told_with_the_nearest_one() {
    assert_snapshot!(refusal("[switchbord]\nlisten = \"127.0.0.1:1\"\n"), @r#"
    error: unknown section `switchbord`
     --> ostler.toml:1:2
      |
    1 | [switchbord]
      |  ^^^^^^^^^^ there is none
      |
      = help: did you mean `[switchboard]`?
    "#);
    assert_snapshot!(refusal("[[servers]]\nhost = \"a.localhost\"\n"), @r#"
    error: unknown section `servers`
     --> ostler.toml:1:3
      |
    1 | [[servers]]
      |   ^^^^^^^ there is none
      |
      = help: did you mean `[[server]]`?
    "#);
}

#[test]
fn a_section_of_a_later_version_is_no_typing_error() {
    assert_snapshot!(refusal("[cluster]\nlisten = \"127.0.0.1:8003\"\n"), @r#"
    error: `[cluster]` is not in this version of Ostler
     --> ostler.toml:1:2
      |
    1 | [cluster]
      |  ^^^^^^^ a later version will have it
      |
      = help: the sections are `[switchboard]`, `[admin]`, `[builtin]`, `[pool]`, `[[server]]`, `[[certificate]]`,
              `[mcp]`, `[tools]`, `[store]` and `[log]`
    "#);
    for later in ["agent", "cluster"] {
        assert!(refusal(&format!("[{later}]\n")).contains("is not in this version of Ostler"));
    }
}

#[test]
fn a_key_in_the_wrong_section_is_told_where_it_belongs() {
    assert_snapshot!(refusal("[switchboard]\nmax_servers = 5\n"), @r#"
    error: unknown key `switchboard.max_servers`
     --> ostler.toml:2:1
      |
    2 | max_servers = 5
      | ^^^^^^^^^^^ not a key of `[switchboard]`
      |
      = help: `max_servers` is a key of `[pool]`
    "#);
    assert_snapshot!(refusal("max_servers = 5\n"), @r#"
    error: unknown key `max_servers`
     --> ostler.toml:1:1
      |
    1 | max_servers = 5
      | ^^^^^^^^^^^ in no section
      |
      = help: `max_servers` is a key of `[pool]`
    "#);
}

#[test]
fn a_key_like_no_other_is_told_the_keys_that_exist() {
    assert_snapshot!(refusal("[pool]\ncolour = \"blue\"\n"), @r#"
    error: unknown key `pool.colour`
     --> ostler.toml:2:1
      |
    2 | colour = "blue"
      | ^^^^^^ not a key of `[pool]`
      |
      = help: the keys of `[pool]` are `max_servers`, `base_port`, `port_reuse_pause`, `max_waiting`,
              `max_parallel_starts`, `output_lines`, `output_bytes`, `idle_timeout`, `start_timeout`,
              `drain_timeout`, `kill_timeout`, `check_interval`, `check_timeout`, `unhealthy_after`, `max_age`,
              `max_uses`, `backoff` and `breaker`
    "#);
}

#[test]
fn a_key_inside_a_section_of_a_section_is_told_with_its_whole_path() {
    assert_snapshot!(refusal("[pool.backoff]\ninital = \"1s\"\n"), @r#"
    error: unknown key `pool.backoff.inital`
     --> ostler.toml:2:1
      |
    2 | inital = "1s"
      | ^^^^^^ not a key of `[pool.backoff]`
      |
      = help: did you mean `initial`?
    "#);
    assert_snapshot!(refusal("pool = { breaker.failure = 3 }\n"), @r#"
    error: unknown key `pool.breaker.failure`
     --> ostler.toml:1:18
      |
    1 | pool = { breaker.failure = 3 }
      |                  ^^^^^^^ not a key of `[pool.breaker]`
      |
      = help: did you mean `failures`?
    "#);
}

#[test]
fn a_text_that_is_not_toml_is_told_where() {
    assert_snapshot!(refusal("[pool]\nmax_servers = \n"), @r#"
    error: this is not TOML
     --> ostler.toml:2:15
      |
    2 | max_servers = 
      |               ^ string values must be quoted, expected literal string
    "#);
    assert_snapshot!(refusal("[pool]\nmax_servers = 1\nmax_servers = 2\n"), @r#"
    error: this is not TOML
     --> ostler.toml:3:1
      |
    3 | max_servers = 2
      | ^^^^^^^^^^^ duplicate key
    "#);
    assert_snapshot!(refusal("[pool\n"), @r#"
    error: this is not TOML
     --> ostler.toml:1:6
      |
    1 | [pool
      |      ^ unclosed table, expected `]`
    "#);
}

#[test]
fn a_column_counts_characters_and_not_bytes() {
    let finding = &findings("pool = { \"größe\" = 1, max_servrs = 2 }\n")[1];
    assert_eq!(finding.key, "pool.max_servrs");
    assert_eq!(finding.location.to_string(), "ostler.toml:1:23");
    assert_eq!(finding.help.as_deref(), Some("did you mean `max_servers`?"));
}

#[test]
fn control_characters_of_a_key_do_not_reach_the_terminal() {
    let text = refusal("[pool]\n\"\\u001b[31m\\n\" = 1\n");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_snapshot!(text, @r#"
    error: unknown key `pool.\u{1b}[31m\n`
     --> ostler.toml:2:1
      |
    2 | "\u001b[31m\n" = 1
      | ^^^^^^^^^^^^^^ not a key of `[pool]`
      |
      = help: the keys of `[pool]` are `max_servers`, `base_port`, `port_reuse_pause`, `max_waiting`,
              `max_parallel_starts`, `output_lines`, `output_bytes`, `idle_timeout`, `start_timeout`,
              `drain_timeout`, `kill_timeout`, `check_interval`, `check_timeout`, `unhealthy_after`, `max_age`,
              `max_uses`, `backoff` and `breaker`
    "#);
}

#[test]
fn of_very_many_problems_the_first_are_shown_and_the_rest_is_counted() {
    let text: String = (0..500).map(|index| format!("unknown_{index} = 1\n")).collect();
    let text = refusal(&text);
    assert_eq!(text.matches("unknown key").count(), 30);
    assert!(
        text.ends_with("error: 500 problems with the configuration `ostler.toml`; the first 30 are shown"),
        "{text}"
    );
}

#[test]
fn colour_is_added_only_if_asked_for() {
    let error = ostler_config::Config::parse("[pol]\n", "ostler.toml").unwrap_err();
    assert!(error.render(true).contains("\u{1b}["));
    assert_eq!(error.render(false), error.to_string());
    assert!(!error.to_string().contains('\u{1b}'));
}
