//! Servers that cannot be.

use insta::assert_snapshot;
use ostler_config::Config;

use crate::refusal;

/// A server of host `shop.localhost` with these keys.
fn shop(keys: &str) -> String {
    refusal(&format!("[[server]]\nhost = \"shop.localhost\"\n{keys}\n"))
}

#[test]
fn a_server_is_one_of_three_things() {
    assert_snapshot!(shop("command = [\"node\"]\nurl = \"http://127.0.0.1:9999\""), @r#"
    error: `server[0]` has both `command` and `url`
     --> ostler.toml:4:1
      |
    3 | command = ["node"]
      | ------- the other one
    4 | url = "http://127.0.0.1:9999"
      | ^^^ a server is one of them
      |
      = help: remove one, or make two servers of it
    "#);
    assert_snapshot!(shop(""), @r#"
    error: `server[0]` has none of `command`, `builtin` and `url`
     --> ostler.toml:1:1
      |
    1 | [[server]]
      | ^^^^^^^^^^ nothing answers the requests of this server
      |
      = help: command = ["node", "server.js"], builtin = "echo", or url = "http://127.0.0.1:9999"
    "#);
    assert_snapshot!(refusal("[[server]]\nbuiltin = \"echo\"\n"), @r#"
    error: `server[0]` has no host
     --> ostler.toml:1:1
      |
    1 | [[server]]
      | ^^^^^^^^^^ this server
      |
      = help: host = "shop.localhost"
    "#);
}

#[test]
fn two_servers_cannot_have_one_host() {
    assert_snapshot!(shop("builtin = \"echo\"\n\n[[server]]\nhost = \"SHOP.localhost.\"\ncommand = [\"shop\"]"), @r#"
    error: two servers have the host `shop.localhost`
     --> ostler.toml:6:8
      |
    2 | host = "shop.localhost"
      |        ---------------- the first one
    ...
    6 | host = "SHOP.localhost."
      |        ^^^^^^^^^^^^^^^^^ requests cannot go to both
      |
      = help: remove one, or give it another host
    "#);
}

#[test]
fn a_host_is_neither_a_url_nor_an_address_with_a_port() {
    let hosts = [
        "http://shop.localhost:8000/",
        "shop.localhost:8000",
        "shop/cart",
        "::1",
        "*",
        "shop.*",
        "a..b",
        "1.2.3",
        "xn--a",
        "shop ping",
        "",
    ];
    let text: String =
        hosts.iter().map(|host| format!("[[server]]\nhost = \"{host}\"\nbuiltin = \"echo\"\n")).collect();
    assert_snapshot!(refusal(&text), @r#"
    error: `server[0].host` must be a host such as "shop.localhost" or "*.preview.localhost"
     --> ostler.toml:2:8
      |
    2 | host = "http://shop.localhost:8000/"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is a URL
      |
      = help: write the host only: "shop.localhost"

    error: `server[1].host` must be a host such as "shop.localhost" or "*.preview.localhost"
     --> ostler.toml:5:8
      |
    5 | host = "shop.localhost:8000"
      |        ^^^^^^^^^^^^^^^^^^^^^ a host has no port
      |
      = help: write "shop.localhost": hosts are matched without the port

    error: `server[2].host` must be a host such as "shop.localhost" or "*.preview.localhost"
     --> ostler.toml:8:8
      |
    8 | host = "shop/cart"
      |        ^^^^^^^^^^^ '/' cannot be in a host
      |
      = help: hosts have no path; every path of a host goes to the same server

    error: `server[3].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:11:8
       |
    11 | host = "::1"
       |        ^^^^^ an IPv6 address is written in brackets
       |
       = help: write "[::1]"

    error: `server[4].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:14:8
       |
    14 | host = "*"
       |        ^^^ this would be every host
       |
       = help: name a domain: "*.localhost"; `switchboard.default_host` takes requests that match nothing

    error: `server[5].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:17:8
       |
    17 | host = "shop.*"
       |        ^^^^^^^^ `*` stands for whole labels at the start only
       |
       = help: write "*.example.com"

    error: `server[6].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:20:8
       |
    20 | host = "a..b"
       |        ^^^^^^ a label between two dots is empty

    error: `server[7].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:23:8
       |
    23 | host = "1.2.3"
       |        ^^^^^^^ this looks like an IP address, and is none

    error: `server[8].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:26:8
       |
    26 | host = "xn--a"
       |        ^^^^^^^ international domain names do not allow this

    error: `server[9].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:29:8
       |
    29 | host = "shop ping"
       |        ^^^^^^^^^^^ ' ' cannot be in a host

    error: `server[10].host` must be a host such as "shop.localhost" or "*.preview.localhost"
      --> ostler.toml:32:8
       |
    32 | host = ""
       |        ^^ a host cannot be empty

    error: 11 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_command_is_a_list_without_a_shell() {
    assert_snapshot!(shop("command = \"node server.js --port {port}\""), @r#"
    error: `server[0].command` must be a program and its arguments, as a list of strings
     --> ostler.toml:3:11
      |
    3 | command = "node server.js --port {port}"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is a string
      |
      = note: no shell splits it into words
      = help: write ["node", "server.js", "--port", "{port}"]
    "#);
    assert_snapshot!(shop("command = []"), @r#"
    error: `server[0].command` must be a program and its arguments, as a list of strings
     --> ostler.toml:3:11
      |
    3 | command = []
      |           ^^ the program is missing
    "#);
    assert_snapshot!(shop("command = [\"node\", 8080]"), @r#"
    error: `server[0].command[1]` must be an argument, in which `{port}`, `{socket}` and `{host}` are replaced
     --> ostler.toml:3:20
      |
    3 | command = ["node", 8080]
      |                    ^^^^ this is a whole number
      |
      = help: write it in quotes: "8080"
    "#);
}

#[test]
fn a_placeholder_exists_and_fits_the_server() {
    assert_snapshot!(shop("command = [\"node\", \"--port={prot}\"]"), @r#"
    error: `server[0].command[1]` must be an argument, in which `{port}`, `{socket}` and `{host}` are replaced
     --> ostler.toml:3:20
      |
    3 | command = ["node", "--port={prot}"]
      |                    ^^^^^^^^^^^^^^^ nothing replaces `{prot}`
      |
      = help: did you mean `{port}`?
    "#);
    assert_snapshot!(shop("command = [\"node\", \"{socket}\"]\nsocket = false"), @r#"
    error: `server[0].command[1]` has `{socket}`, but this server has a port and no socket
     --> ostler.toml:3:20
      |
    3 | command = ["node", "{socket}"]
      |                    ^^^^^^^^^^ nothing to put here
      |
      = help: write `{port}`, or set `socket = true`
    "#);
    assert_snapshot!(shop("command = [\"node\", \"{port}\"]\nsocket = true"), @r#"
    error: `server[0].command[1]` has `{port}`, but this server has a socket and no port
     --> ostler.toml:3:20
      |
    3 | command = ["node", "{port}"]
      |                    ^^^^^^^^ nothing to put here
      |
      = help: write `{socket}`, or set `socket = false`
    "#);
}

#[test]
fn the_environment_is_a_table_of_strings_without_what_ostler_sets() {
    assert_snapshot!(shop("command = [\"node\"]\nenv = { PORT = \"80\", DEBUG = 1 }\nenv_pass = [\"HOME\", \"A=b\"]"), @r#"
    error: `server[0].env.PORT` must be the name of an environment variable
     --> ostler.toml:4:9
      |
    4 | env = { PORT = "80", DEBUG = 1 }
      |         ^^^^ Ostler sets `PORT` itself

    error: `server[0].env.DEBUG` must be a string
     --> ostler.toml:4:30
      |
    4 | env = { PORT = "80", DEBUG = 1 }
      |                              ^ this is a whole number
      |
      = help: write it in quotes: "1"

    error: `server[0].env_pass[1]` must be the name of an environment variable
     --> ostler.toml:5:21
      |
    5 | env_pass = ["HOME", "A=b"]
      |                     ^^^^^ a name has no `=`
      |
      = help: values belong into env: env = { A = "b" }

    error: 3 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn only_a_wildcard_has_a_maximum_and_the_pool_can_hold_it() {
    assert_snapshot!(shop("builtin = \"echo\"\nmax = 3"), @r#"
    error: `server[0].max` is for wildcards, and `shop.localhost` is one host
     --> ostler.toml:4:1
      |
    4 | max = 3
      | ^^^ has one server at most
      |
      = help: remove it
    "#);
    assert_snapshot!(refusal("[pool]\nmax_servers = 5\n\n[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\nmax = 6\n"), @r#"
    error: `server[0].max` is more than the pool holds: `pool.max_servers` is 5
     --> ostler.toml:7:7
      |
    2 | max_servers = 5
      |               - the pool's maximum
    ...
    7 | max = 6
      |       ^ this can never be reached
    "#);
}

#[test]
fn what_is_never_started_has_no_keys_about_starting() {
    assert_snapshot!(shop("url = \"http://127.0.0.1:9999\"\nidle_timeout = \"1m\""), @r#"
    error: `server[0].idle_timeout` has no meaning here: a server with a `url` is never started or stopped
     --> ostler.toml:4:1
      |
    3 | url = "http://127.0.0.1:9999"
      | --- because of this
    4 | idle_timeout = "1m"
      | ^^^^^^^^^^^^ remove it
    "#);
    assert_snapshot!(shop("builtin = \"echo\"\nready = \"/health\""), @r#"
    error: `server[0].ready` has no meaning here: a `builtin` server is no process
     --> ostler.toml:4:1
      |
    3 | builtin = "echo"
      | ------- because of this
    4 | ready = "/health"
      | ^^^^^ remove it
    "#);
}

#[test]
fn a_url_is_http_without_a_path() {
    assert_snapshot!(shop("url = \"https://127.0.0.1\""), @r#"
    error: `server[0].url` must be a URL such as "http://127.0.0.1:9999" or "unix:/path"
     --> ostler.toml:3:7
      |
    3 | url = "https://127.0.0.1"
      |       ^^^^^^^^^^^^^^^^^^^ `https` is not in this version of Ostler
    "#);
    assert_snapshot!(shop("url = \"127.0.0.1:9999\""), @r#"
    error: `server[0].url` must be a URL such as "http://127.0.0.1:9999" or "unix:/path"
     --> ostler.toml:3:7
      |
    3 | url = "127.0.0.1:9999"
      |       ^^^^^^^^^^^^^^^^ the scheme is missing
      |
      = help: write "http://127.0.0.1:9999"
    "#);
    assert_snapshot!(shop("url = \"http://127.0.0.1:9999/shop\""), @r#"
    error: `server[0].url` must be a URL such as "http://127.0.0.1:9999" or "unix:/path"
     --> ostler.toml:3:7
      |
    3 | url = "http://127.0.0.1:9999/shop"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a path has no meaning here
      |
      = help: write "http://127.0.0.1:9999": the path of each request is kept
    "#);
    assert_snapshot!(shop("url = \"http://127.0.0.1:99999\""), @r#"
    error: `server[0].url` must be a URL such as "http://127.0.0.1:9999" or "unix:/path"
     --> ostler.toml:3:7
      |
    3 | url = "http://127.0.0.1:99999"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^ the port is wrong
      |
      = help: 1 to 65535
    "#);
}

#[test]
fn ostler_is_not_its_own_server() {
    assert_snapshot!(shop("url = \"http://localhost:8000\""), @r#"
    error: `server[0].url` is Ostler itself
     --> ostler.toml:3:7
      |
    3 | url = "http://localhost:8000"
      |       ^^^^^^^^^^^^^^^^^^^^^^^ requests would go round in a circle
      |
      = note: `switchboard.listen` is 127.0.0.1:8000 by default
    "#);
}

#[test]
fn readiness_is_a_path_or_accept() {
    assert_snapshot!(shop("command = [\"node\"]\nready = \"health\""), @r#"
    error: `server[0].ready` must be a path such as "/health", or "accept"
     --> ostler.toml:4:9
      |
    4 | ready = "health"
      |         ^^^^^^^^ `health` is neither
      |
      = help: did you mean "/health"?
    "#);
}

/// Whether this `url` is refused as Ostler itself when it listens there.
fn is_itself(listen: &str, url: &str) -> bool {
    let server = format!("[[server]]\nhost = \"shop.localhost\"\nurl = \"{url}\"\n");
    let text = format!("[switchboard]\nlisten = \"{listen}\"\n{server}");
    match Config::parse(&text, "ostler.toml") {
        Ok(_) => false,
        Err(error) => {
            assert!(error.to_string().contains("`server[0].url` is Ostler itself"), "{error}");
            true
        }
    }
}

#[test]
fn a_server_is_not_ostler_itself_in_any_spelling_of_an_address() {
    for (listen, url) in [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("127.0.0.1:8000", "http://LOCALHOST.:8000"),
        ("127.0.0.1:8000", "http://shop.localhost:8000"),
        ("127.0.0.1:8000", "http://0.0.0.0:8000"),
        ("127.0.0.1:8000", "http://[::ffff:127.0.0.1]:8000"),
        ("127.0.0.1:80", "http://localhost"),
        ("[::1]:8000", "http://localhost:8000"),
        ("[::1]:8000", "http://[::]:8000"),
        ("0.0.0.0:8000", "http://localhost:8000"),
        ("0.0.0.0:8000", "http://127.0.0.2:8000"),
        ("0.0.0.0:8000", "http://0.0.0.0:8000"),
        ("[::]:8000", "http://127.0.0.1:8000"),
        ("[::]:8000", "http://[::1]:8000"),
        ("10.0.0.1:8000", "http://10.0.0.1:8000"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("127.0.0.1:9000", "http://localhost:8001"),
    ] {
        assert!(is_itself(listen, url), "{listen} {url}");
    }
}

#[test]
fn a_server_elsewhere_may_have_the_same_port() {
    for (listen, url) in [
        ("0.0.0.0:8000", "http://10.1.2.3:8000"),
        ("0.0.0.0:8000", "http://[::1]:8000"),
        ("[::]:8000", "http://[2001:db8::1]:8000"),
        ("127.0.0.1:8000", "http://[::1]:8000"),
        ("127.0.0.1:8000", "http://127.0.0.2:8000"),
        ("10.0.0.1:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "http://notlocalhost:8000"),
        ("127.0.0.1:0", "http://127.0.0.1:9999"),
    ] {
        assert!(!is_itself(listen, url), "{listen} {url}");
    }
}
