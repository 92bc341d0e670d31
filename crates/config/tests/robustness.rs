//! No text makes the reader panic, and none makes it slow.

use ostler_config::{Config, ConfigError};
use proptest::prelude::*;

/// Reads a text and everything that is said of it.
fn survive(text: &str) {
    if let Err(error) = Config::parse(text, "ostler.toml") {
        assert!(!error.to_string().is_empty());
        assert!(error.render(true).contains("error"));
        let ConfigError::Wrong(problems) = error else { panic!("a text is always readable") };
        assert!(problems.findings().count() > 0);
    }
}

/// Keys and values of a configuration in any order: most are wrong in an interesting way.
fn nearly_right() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        prop::sample::select(vec![
            "[pool]",
            "[switchboard]",
            "[admin]",
            "[[server]]",
            "[server]",
            "[log]",
            "[pool.backoff]",
            "[mcp]",
        ])
        .prop_map(str::to_owned),
        (
            prop::sample::select(vec![
                "listen",
                "host",
                "max",
                "command",
                "builtin",
                "url",
                "ready",
                "socket",
                "env",
                "env_pass",
                "cwd",
                "idle_timeout",
                "max_servers",
                "base_port",
                "factor",
                "filter",
                "forwarded",
                "trusted_proxies",
                "x.y",
                "default_host",
                "app_header",
                "workers",
            ]),
            prop_oneof![
                Just("\"127.0.0.1:8000\"".to_owned()),
                Just("\"*.localhost\"".to_owned()),
                Just("\"unix:\"".to_owned()),
                Just("[\"a\", \"{port}\", \"{x}\"]".to_owned()),
                Just("{ A = \"1\", PORT = 2 }".to_owned()),
                Just("1979-05-27".to_owned()),
                Just("[[], {}, 1.5, true]".to_owned()),
                any::<i64>().prop_map(|number| number.to_string()),
                any::<f64>().prop_map(|number| format!("{number:?}").to_lowercase()),
                "\\PC{0,20}".prop_map(|text| format!("{text:?}")),
                "[0-9]{0,20}(ms|s|m|h|d|w|M|y|µs)?".prop_map(|text| format!("\"{text}\"")),
                "(http|https|unix)?:?/?/?[a-z:\\[\\]@/.#?0-9]{0,20}".prop_map(|text| format!("\"{text}\"")),
            ],
        )
            .prop_map(|(key, value)| format!("{key} = {value}")),
    ];
    prop::collection::vec(line, 0..20).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn no_nearly_right_configuration_makes_the_reader_panic(text in nearly_right()) {
        survive(&text);
    }

    #[test]
    fn no_bytes_cut_out_of_a_configuration_make_the_reader_panic(from in 0..400_usize, length in 0..40_usize) {
        let text = "[switchboard]\nlisten = [\"127.0.0.1:8000\", \"unix:/run/ä.sock\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
                    [pool]\nidle_timeout = \"10m\"\nbackoff = { factor = 2 }\n\
                    [[server]]\nhost = \"*.bücher.localhost\"\ncommand = [\"a\", \"{port}\"]\nenv = { A = \"ö\" }\nready = '/x'\n";
        let cut: String = text.char_indices().filter(|(at, _)| !(from..from + length).contains(at)).map(|(_, c)| c).collect();
        survive(&cut);
    }

    #[test]
    fn no_variable_makes_the_reader_panic(name in "OSTLER_[A-Z_]{0,30}", value in any::<String>()) {
        if let Err(error) = Config::load(None, [(name, value.clone()), ("OSTLER_POOL__MAX_SERVERS".to_owned(), value)]) {
            assert!(!error.render(true).is_empty());
        }
    }
}

#[test]
fn a_deep_text_does_not_exhaust_the_stack() {
    for deep in ["[".repeat(300_000), format!("a = {}", "[".repeat(300_000)), "a = {a".repeat(100_000)] {
        survive(&deep);
    }
    survive(&format!("{}a = 1", "a.".repeat(200_000)));
    survive(&format!("[{}a]", "a.".repeat(200_000)));
}

#[test]
fn a_long_text_of_mistakes_is_read_in_reasonable_time() {
    survive(&"[[server]]\nhost = \"a\"\nbuiltin = \"x\"\n".repeat(20_000));
    let keys: String = (0..20_000).map(|index| format!("k{index} = 1\n")).collect();
    survive(&keys);
}
