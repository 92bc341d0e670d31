//! Values of the wrong type, out of their bounds, or in the wrong notation.

use insta::assert_snapshot;

use crate::refusal;

#[test]
fn a_number_in_quotes_is_told_to_lose_them() {
    assert_snapshot!(refusal("[pool]\nbase_port = \"9100\"\n"), @r#"
    error: `pool.base_port` must be a whole number from 1024 to 65535
     --> ostler.toml:2:13
      |
    2 | base_port = "9100"
      |             ^^^^^^ this is a string
      |
      = help: write it without quotes: 9100
    "#);
    assert_snapshot!(refusal("[switchboard]\nfirst_label = \"true\"\n"), @r#"
    error: `switchboard.first_label` must be `true` or `false`
     --> ostler.toml:2:15
      |
    2 | first_label = "true"
      |               ^^^^^^ this is a string
      |
      = help: write it without quotes: true
    "#);
}

#[test]
fn a_number_out_of_its_bounds_is_told_why_they_are_there() {
    assert_snapshot!(refusal("[pool]\nmax_servers = 0\nunhealthy_after = -1\nmax_waiting = 99999999999999999999999999999999999999999999\n"), @r#"
    error: `pool.max_servers` must be a whole number from 1 to 100000
     --> ostler.toml:2:15
      |
    2 | max_servers = 0
      |               ^ this is less than 1
      |
      = note: with no place at all no server can start

    error: `pool.unhealthy_after` must be a whole number from 1 to 1000
     --> ostler.toml:3:19
      |
    3 | unhealthy_after = -1
      |                   ^^ this is negative

    error: `pool.max_waiting` must be a whole number from 1 to 1000000
     --> ostler.toml:4:15
      |
    4 | max_waiting = 99999999999999999999999999999999999999999999
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is too large

    error: 3 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_factor_that_shortens_pauses_is_refused() {
    assert_snapshot!(refusal("[pool.backoff]\nfactor = 0.5\n"), @r#"
    error: `pool.backoff.factor` must be a number from 1.0 to 100.0
     --> ostler.toml:2:10
      |
    2 | factor = 0.5
      |          ^^^ this is less than 1.0
      |
      = note: pauses must not become shorter
    "#);
    assert!(refusal("[pool.backoff]\nfactor = nan\n").contains("not a finite number"));
}

#[test]
fn a_duration_of_nothing_or_of_years_is_refused() {
    assert_snapshot!(refusal("[pool]\nstart_timeout = \"0s\"\nidle_timeout = \"20000d\"\n"), @r#"
    error: `pool.start_timeout` must be a duration such as "30s" or "10m", from "1ms" to "1h"
     --> ostler.toml:2:17
      |
    2 | start_timeout = "0s"
      |                 ^^^^ this is less than "1ms"
      |
      = note: a server without time to start never starts

    error: `pool.idle_timeout` must be a duration such as "30s" or "10m", or "never", from "10ms" to "365d"
     --> ostler.toml:3:16
      |
    3 | idle_timeout = "20000d"
      |                ^^^^^^^^ this is more than "365d"

    error: 2 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_duration_needs_a_unit_that_exists() {
    assert_snapshot!(refusal("[pool]\nstart_timeout = 30\n"), @r#"
    error: `pool.start_timeout` must be a duration such as "30s" or "10m", from "1ms" to "1h"
     --> ostler.toml:2:17
      |
    2 | start_timeout = 30
      |                 ^^ this number has no unit
      |
      = help: name the unit: "30s" for seconds, "30ms" for milliseconds
    "#);
    assert_snapshot!(refusal("[pool]\nstart_timeout = \"30\"\n"), @r#"
    error: `pool.start_timeout` must be a duration such as "30s" or "10m", from "1ms" to "1h"
     --> ostler.toml:2:17
      |
    2 | start_timeout = "30"
      |                 ^^^^ this number has no unit
      |
      = help: name the unit: "30s" for seconds, "30ms" for milliseconds
    "#);
    assert_snapshot!(refusal("[pool]\nstart_timeout = \"10M\"\n"), @r#"
    error: `pool.start_timeout` must be a duration such as "30s" or "10m", from "1ms" to "1h"
     --> ostler.toml:2:17
      |
    2 | start_timeout = "10M"
      |                 ^^^^^ `M` is not a unit of time
      |
      = help: minutes are `m`; there are no months
    "#);
    assert_snapshot!(refusal("[pool]\nstart_timeout = \"10 fortnights\"\n"), @r#"
    error: `pool.start_timeout` must be a duration such as "30s" or "10m", from "1ms" to "1h"
     --> ostler.toml:2:17
      |
    2 | start_timeout = "10 fortnights"
      |                 ^^^^^^^^^^^^^^^ `fortnights` is not a unit of time
      |
      = help: the units are `ms`, `s`, `m`, `h`, `d` and `w`
    "#);
    assert_snapshot!(refusal("[pool]\nstart_timeout = \"soon\"\n"), @r#"
    error: `pool.start_timeout` must be a duration such as "30s" or "10m", from "1ms" to "1h"
     --> ostler.toml:2:17
      |
    2 | start_timeout = "soon"
      |                 ^^^^^^ `soon` is not a duration
    "#);
}

#[test]
fn only_never_switches_a_limit_off() {
    assert_snapshot!(refusal("[pool]\nmax_age = \"off\"\n"), @r#"
    error: `pool.max_age` must be a duration such as "30s" or "10m", or "never", from "1s" to "3650d"
     --> ostler.toml:2:11
      |
    2 | max_age = "off"
      |           ^^^^^ this switches nothing off
      |
      = help: write "never"
    "#);
}

#[test]
fn a_word_that_is_no_choice_is_told_the_nearest_one() {
    assert_snapshot!(refusal("[switchboard]\nforwarded = \"apend\"\n"), @r#"
    error: `switchboard.forwarded` must be "append", "replace" or "remove"
     --> ostler.toml:2:13
      |
    2 | forwarded = "apend"
      |             ^^^^^^^ `apend` is none of these
      |
      = help: did you mean "append"?
    "#);
    assert_snapshot!(refusal("[log]\nformat = \"JSON\"\n"), @r#"
    error: `log.format` must be "text" or "json"
     --> ostler.toml:2:10
      |
    2 | format = "JSON"
      |          ^^^^^^ `JSON` is none of these
      |
      = help: did you mean "json"?
    "#);
}

#[test]
fn a_misspelt_level_is_not_taken_for_a_module() {
    assert_snapshot!(refusal("[log]\nfilter = \"info,dbug\"\n"), @r#"
    error: `log.filter` must be a filter such as "info" or "info,ostler_pool=debug"
     --> ostler.toml:2:10
      |
    2 | filter = "info,dbug"
      |          ^^^^^^^^^^^ `dbug` is no level
      |
      = help: did you mean "debug"? The levels are "off", "error", "warn", "info", "debug" or "trace"
    "#);
    assert_snapshot!(refusal("[log]\nfilter = \"ostler=loud\"\n"), @r#"
    error: `log.filter` must be a filter such as "info" or "info,ostler_pool=debug"
     --> ostler.toml:2:10
      |
    2 | filter = "ostler=loud"
      |          ^^^^^^^^^^^^^ error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    "#);
}

#[test]
fn an_address_is_told_what_it_lacks() {
    let text = r#"
[switchboard]
listen = [
  "localhost:8000",
  ":8000",
  "127.0.0.1",
  "/run/ostler.sock",
  "http://127.0.0.1:8000",
  "::1:8000",
  8000,
  "unix:",
  "shop",
]
"#;
    assert_snapshot!(refusal(text), @r#"
    error: `switchboard.listen[0]` must be an address such as "127.0.0.1:8000" or "unix:/path"
     --> ostler.toml:4:3
      |
    4 |   "localhost:8000",
      |   ^^^^^^^^^^^^^^^^ names are not looked up
      |
      = help: write "127.0.0.1:8000" or "[::1]:8000"

    error: `switchboard.listen[1]` must be an address such as "127.0.0.1:8000" or "unix:/path"
     --> ostler.toml:5:3
      |
    5 |   ":8000",
      |   ^^^^^^^ the address to listen on is missing
      |
      = help: "127.0.0.1:8000" for this machine only, "0.0.0.0:8000" for everyone

    error: `switchboard.listen[2]` must be an address such as "127.0.0.1:8000" or "unix:/path"
     --> ostler.toml:6:3
      |
    6 |   "127.0.0.1",
      |   ^^^^^^^^^^^ the port is missing
      |
      = help: write "127.0.0.1:8000"

    error: `switchboard.listen[3]` must be an address such as "127.0.0.1:8000" or "unix:/path"
     --> ostler.toml:7:3
      |
    7 |   "/run/ostler.sock",
      |   ^^^^^^^^^^^^^^^^^^ this is a path
      |
      = help: write "unix:/run/ostler.sock" for a Unix socket

    error: `switchboard.listen[4]` must be an address such as "127.0.0.1:8000" or "unix:/path"
     --> ostler.toml:8:3
      |
    8 |   "http://127.0.0.1:8000",
      |   ^^^^^^^^^^^^^^^^^^^^^^^ this is a URL
      |
      = help: write the address and the port only

    error: `switchboard.listen[5]` must be an address such as "127.0.0.1:8000" or "unix:/path"
     --> ostler.toml:9:3
      |
    9 |   "::1:8000",
      |   ^^^^^^^^^^ an IPv6 address needs brackets here
      |
      = help: write "[::1]:8000"

    error: `switchboard.listen[6]` must be an address such as "127.0.0.1:8000" or "unix:/path"
      --> ostler.toml:10:3
       |
    10 |   8000,
       |   ^^^^ this is only a port
       |
       = help: write "127.0.0.1:8000"

    error: `switchboard.listen[7]` must be an address such as "127.0.0.1:8000" or "unix:/path"
      --> ostler.toml:11:3
       |
    11 |   "unix:",
       |   ^^^^^^^ `unix:` needs the path of a socket

    error: `switchboard.listen[8]` must be an address such as "127.0.0.1:8000" or "unix:/path"
      --> ostler.toml:12:3
       |
    12 |   "shop",
       |   ^^^^^^ `shop` is not one

    error: 9 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_list_that_needs_something_is_not_empty() {
    assert_snapshot!(refusal("[switchboard]\nlisten = []\n"), @r#"
    error: `switchboard.listen` and `switchboard.tls_listen` are both empty
     --> ostler.toml:2:10
      |
    2 | listen = []
      |          ^^ this list is empty
      |
      = note: without an address nobody can send a request
    "#);
}

#[test]
fn a_network_is_written_without_the_bits_behind_its_prefix() {
    assert_snapshot!(refusal("[switchboard]\ntrusted_proxies = [\"10.1.2.3/8\", \"10.0.0.0/33\", \"proxy\"]\n"), @r#"
    error: `switchboard.trusted_proxies[0]` must be an IP address, a network such as "10.0.0.0/8", or "unix"
     --> ostler.toml:2:20
      |
    2 | trusted_proxies = ["10.1.2.3/8", "10.0.0.0/33", "proxy"]
      |                    ^^^^^^^^^^^^ this has bits set behind its prefix
      |
      = help: "10.0.0.0/8" for the network, "10.1.2.3" for this one address

    error: `switchboard.trusted_proxies[1]` must be an IP address, a network such as "10.0.0.0/8", or "unix"
     --> ostler.toml:2:34
      |
    2 | trusted_proxies = ["10.1.2.3/8", "10.0.0.0/33", "proxy"]
      |                                  ^^^^^^^^^^^^^ the prefix length is wrong
      |
      = help: 0 to 32 for IPv4, 0 to 128 for IPv6

    error: `switchboard.trusted_proxies[2]` must be an IP address, a network such as "10.0.0.0/8", or "unix"
     --> ostler.toml:2:49
      |
    2 | trusted_proxies = ["10.1.2.3/8", "10.0.0.0/33", "proxy"]
      |                                                 ^^^^^^^ `proxy` is not one

    error: 3 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_header_with_a_meaning_of_its_own_cannot_name_the_host() {
    assert_snapshot!(refusal("[switchboard]\napp_header = \"Host\"\nrequest_id_header = \"x id\"\n"), @r#"
    error: `switchboard.app_header` must be the name of a header
     --> ostler.toml:2:14
      |
    2 | app_header = "Host"
      |              ^^^^^^ `host` has a meaning of its own in HTTP

    error: `switchboard.request_id_header` must be the name of a header
     --> ostler.toml:3:21
      |
    3 | request_id_header = "x id"
      |                     ^^^^^^ `x id` is not one

    error: 2 problems with the configuration `ostler.toml`
    "#);
}
