//! What only several keys together get wrong.

use insta::assert_snapshot;

use crate::refusal;

#[test]
fn a_value_where_a_section_belongs_is_refused() {
    assert_snapshot!(refusal("pool = 3\n"), @r#"
    error: `pool` must be a table
     --> ostler.toml:1:8
      |
    1 | pool = 3
      |        ^ this is a whole number
      |
      = help: write it as a section of its own: [pool]
    "#);
    assert_snapshot!(refusal("[server]\nhost = \"a.localhost\"\n"), @r#"
    error: `server` must be a list of tables
     --> ostler.toml:1:1
      |
    1 | [server]
      | ^^^^^^^^ this is one table
      |
      = help: write its header as [[server]]
    "#);
}

#[test]
fn the_admin_api_is_not_public() {
    assert_snapshot!(refusal("[admin]\nlisten = \"0.0.0.0:8001\"\n"), @r#"
    error: `admin.listen` must be a loopback address or a Unix socket
     --> ostler.toml:2:10
      |
    2 | listen = "0.0.0.0:8001"
      |          ^^^^^^^^^^^^^^ others can reach this
      |
      = note: whoever reaches the admin API can stop every server, and this version asks nobody who they are
      = help: write "127.0.0.1:8001"
    "#);
}

#[test]
fn two_listeners_cannot_share_an_address() {
    assert_snapshot!(refusal("[switchboard]\nlisten = \"127.0.0.1:8001\"\n"), @r#"
    error: `switchboard.listen` and `admin.listen` cannot both listen on 127.0.0.1:8001
     --> ostler.toml:2:10
      |
    2 | listen = "127.0.0.1:8001"
      |          ^^^^^^^^^^^^^^^^ the other one
      |
      = note: `admin.listen` is 127.0.0.1:8001 by default
    "#);
    assert_snapshot!(refusal("[switchboard]\nlisten = \"0.0.0.0:7000\"\n\n[admin]\nlisten = \"127.0.0.1:7000\"\n"), @r#"
    error: `switchboard.listen` and `admin.listen` cannot both listen on 127.0.0.1:7000
     --> ostler.toml:5:10
      |
    2 | listen = "0.0.0.0:7000"
      |          -------------- the other one
    ...
    5 | listen = "127.0.0.1:7000"
      |          ^^^^^^^^^^^^^^^^ one listener
    "#);
}

#[test]
fn the_path_of_a_socket_has_a_length_that_the_system_takes() {
    let path = "a".repeat(120);
    assert_snapshot!(refusal(&format!("[admin]\nlisten = \"unix:/{path}\"\n")), @r#"
    error: the path of the Unix socket `admin.listen` is too long
     --> ostler.toml:2:10
      |
    2 | ... = "unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 121 bytes, of 107 that the system takes
      |
      = note: the path is
              /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    "#);
}

#[test]
fn there_are_ports_for_all_servers() {
    assert_snapshot!(refusal("[pool]\nbase_port = 65500\n"), @r#"
    error: there are 36 ports from `pool.base_port` on, and `pool.max_servers` is 100
     --> ostler.toml:2:13
      |
    2 | base_port = 65500
      |             ^^^^^ too high for so many servers
      |
      = note: `pool.max_servers` is 100 by default
    "#);
    assert_snapshot!(refusal("[pool]\nbase_port = 60000\nmax_servers = 6000\n"), @r#"
    error: there are 5536 ports from `pool.base_port` on, and `pool.max_servers` is 6000
     --> ostler.toml:2:13
      |
    2 | base_port = 60000
      |             ^^^^^ too high for so many servers
    3 | max_servers = 6000
      |               ---- too many servers for so few ports
    "#);
}

#[test]
fn the_default_host_has_a_server() {
    let text = "[switchboard]\ndefault_host = \"shop.localhos\"\n\n[[server]]\nhost = \"shop.localhost\"\nbuiltin = \"echo\"\n";
    assert_snapshot!(refusal(text), @r#"
    error: no server has the default host `shop.localhos`
     --> ostler.toml:2:16
      |
    2 | default_host = "shop.localhos"
      |                ^^^^^^^^^^^^^^^ matches no `[[server]]`
      |
      = help: did you mean "shop.localhost"?
    "#);
}

#[test]
fn one_header_has_one_meaning() {
    assert_snapshot!(refusal("[switchboard]\napp_header = \"X-Request-Id\"\n"), @r#"
    error: one header cannot be both `switchboard.app_header` and `switchboard.request_id_header`
     --> ostler.toml:2:14
      |
    2 | app_header = "X-Request-Id"
      |              ^^^^^^^^^^^^^^ names the host to serve
      |
      = note: `switchboard.request_id_header` is `x-request-id` by default
    "#);
}

#[test]
fn the_first_pause_is_not_longer_than_the_longest() {
    assert_snapshot!(refusal("[pool.backoff]\ninitial = \"1m\"\n"), @r#"
    error: `pool.backoff.initial` is longer than `pool.backoff.max`
     --> ostler.toml:2:11
      |
    2 | initial = "1m"
      |           ^^^^ the first pause
      |
      = note: `pool.backoff.max` is 30s by default
    "#);
}

#[test]
fn a_lame_duck_leaves_time_to_drain() {
    assert_snapshot!(refusal("[switchboard]\nlame_duck = \"1m\"\n"), @r#"
    error: `switchboard.lame_duck` leaves nothing of `switchboard.drain_timeout` to finish requests in
     --> ostler.toml:2:13
      |
    2 | lame_duck = "1m"
      |             ^^^^ new requests are taken for so long
      |
      = note: `switchboard.drain_timeout` is 30s by default
    "#);
}

#[test]
fn a_session_that_a_client_carries_fits_into_a_request() {
    let text = "[tools]\nresume = \"sealed\"\nmax_state = 2_000_000\n";
    assert_snapshot!(refusal(text), @r#"
    error: `tools.max_state` leaves nothing of `mcp.bounds.max_body_size` for the rest of a request
     --> ostler.toml:3:13
      |
    3 | max_state = 2_000_000
      |             ^^^^^^^^^ clients are given so much
      |
      = note: `mcp.bounds.max_body_size` is 1048576 by default
    "#);
    // Without sessions that are carried it has no meaning.
    ostler_config::Config::parse("[tools]\nmax_state = 2_000_000\n", "ostler.toml").unwrap();
}

#[test]
fn a_refused_value_is_not_blamed_for_anything_else() {
    let text = refusal(
        "[switchboard]\nlisten = \"127.0.0.1:8001x\"\n[pool]\nmax_servers = \"many\"\nbase_port = 65535\n",
    );
    assert_eq!(text.matches("error: ").count(), 3, "two problems and their count:\n{text}");
}
