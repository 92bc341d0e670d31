//! What right configurations mean.

use std::path::Path;
use std::time::Duration;

use ostler_config::{
    Builtin, Config, Forwarded, Limit, LogFormat, Mcp, Ready, Resume, Target, ToolSet, TrustedProxy, Upstream,
};
use ostler_net::{Address, HostPattern};

use crate::config;

#[test]
fn the_example_of_the_design_is_right() {
    let config = config(
        r#"
[switchboard]
listen = "127.0.0.1:8000"
[admin]
listen = "127.0.0.1:8001"
[pool]
max_servers = 100
base_port = 9000
idle_timeout = "10m"
[[server]]
host = "shop.localhost"
command = ["node", "server.js", "--port", "{port}"]
ready = "/health"
[[server]]
host = "hello.localhost"
builtin = "echo"
[[server]]
host = "old.localhost"
url = "http://127.0.0.1:9999"
"#,
    );
    let [shop, hello, old] = config.servers.as_slice() else { panic!("three servers") };
    let Target::Command(command) = &shop.target else { panic!("a command") };
    assert_eq!(command.argv, ["node", "server.js", "--port", "{port}"]);
    assert_eq!(command.ready, Ready::Path("/health".to_owned()));
    assert_eq!(hello.target, Target::Builtin(Builtin::Echo));
    assert_eq!(old.target, Target::Url(Upstream::Address("127.0.0.1:9999".parse().unwrap())));
    assert_eq!((shop.max, hello.max, old.max), (1, 1, 1));
}

#[test]
fn without_any_configuration_echo_answers_ten_hosts_below_localhost() {
    let config = Config::quickstart();
    let [echo] = config.servers.as_slice() else { panic!("one server") };
    assert_eq!(echo.host.to_string(), "*.localhost");
    assert!(echo.host.matches("hello.localhost"));
    assert_eq!(echo.target, Target::Builtin(Builtin::Echo));
    assert_eq!(echo.max, 10);
    assert_eq!(config.mcp.listen, ["127.0.0.1:8002".parse().unwrap()]);
    assert_eq!(config.mcp.tools, [ToolSet::Demo]);
    assert_eq!(Config { servers: Vec::new(), mcp: Mcp::default(), ..config }, Config::default());
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let Config { switchboard, admin, builtin, pool, servers, certificates, mcp, tools, store, log } =
        config("");
    assert_eq!(switchboard.listen, ["127.0.0.1:8000".parse().unwrap()]);
    assert_eq!(admin.listen, ["127.0.0.1:8001".parse().unwrap()]);
    assert_eq!(
        admin.allowed_hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["localhost", "127.0.0.1", "[::1]"]
    );
    assert_eq!((pool.max_servers, pool.base_port), (100, 9000));
    assert_eq!(pool.idle_timeout, Limit::After(Duration::from_secs(600)));
    assert_eq!((pool.max_age, pool.max_uses), (Limit::Never, Limit::Never));
    assert_eq!(switchboard.forwarded, Forwarded::Append);
    assert_eq!((switchboard.workers, switchboard.first_label), (None, false));
    // What is passed on is bounded by the server it is for; what Ostler itself answers is not.
    assert_eq!((switchboard.max_body_size, switchboard.body_timeout), (Limit::Never, Limit::Never));
    assert_eq!(builtin.bounds, admin.bounds);
    assert_eq!(builtin.bounds.max_body_size, Limit::After(1024 * 1024));
    assert_eq!((log.format, log.filter.as_str()), (LogFormat::Text, "info"));
    assert!(servers.is_empty() && certificates.is_empty());
    // Without a listener there is no endpoint, and nothing is kept.
    assert!(mcp.listen.is_empty() && mcp.tools.is_empty());
    assert_eq!(tools.ttl, Duration::from_hours(24));
    assert_eq!((tools.resume, tools.keys, tools.max_state), (Resume::Journal, None, 65_536));
    assert_eq!((store.url, store.directory), (None, None));
}

#[test]
fn the_file_of_shared_keys_is_looked_for_beside_the_configuration() {
    let text = "[tools]\nresume = \"sealed\"\nkeys = \"keys.json\"\n";
    let tools = Config::parse(text, "/etc/ostler/ostler.toml").unwrap().tools;
    assert_eq!(
        (tools.resume, tools.keys.as_deref()),
        (Resume::Sealed, Some(Path::new("/etc/ostler/keys.json")))
    );
}

#[test]
fn a_server_overrides_the_pool_for_itself_alone() {
    let config = config(
        r#"
[pool]
idle_timeout = "1m"
max_uses = 1_000
[[server]]
host = "always.localhost"
builtin = "echo"
idle_timeout = "never"
max_uses = "never"
[[server]]
host = "other.localhost"
builtin = "echo"
"#,
    );
    let [always, other] = config.servers.as_slice() else { panic!("two servers") };
    assert_eq!((always.policy.idle_timeout, always.policy.max_uses), (Limit::Never, Limit::Never));
    assert_eq!(other.policy.idle_timeout.value(), Some(Duration::from_secs(60)));
    assert_eq!(other.policy.max_uses, Limit::After(1000));
    assert_eq!(other.policy.start_timeout, config.pool.start_timeout);
}

#[test]
fn a_wildcard_without_a_maximum_has_ten_places_or_the_whole_smaller_pool() {
    let echo = "[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\n";
    assert_eq!(config(echo).servers[0].max, 10);
    assert_eq!(config(&format!("[pool]\nmax_servers = 4\n{echo}")).servers[0].max, 4);
    assert_eq!(config(&format!("{echo}max = 60\n")).servers[0].max, 60);
}

#[test]
fn paths_begin_at_the_directory_of_the_file() {
    let text = r#"
[switchboard]
listen = ["unix:run/a.sock", "unix:/run/b.sock"]
[[server]]
host = "shop.localhost"
command = ["./shop"]
cwd = "shop"
[[server]]
host = "here.localhost"
command = ["./here"]
[[server]]
host = "old.localhost"
url = "unix:old.sock"
"#;
    let config = Config::parse(text, "/etc/ostler/ostler.toml").unwrap();
    let unix = |path: &str| Address::Unix(path.into());
    assert_eq!(config.switchboard.listen, [unix("/etc/ostler/run/a.sock"), unix("/run/b.sock")]);
    let directories: Vec<_> = config
        .servers
        .iter()
        .filter_map(|server| match &server.target {
            Target::Command(command) => Some(command.cwd.as_path()),
            Target::Builtin(_) | Target::Url(_) => None,
        })
        .collect();
    assert_eq!(directories, [Path::new("/etc/ostler/shop"), Path::new("/etc/ostler")]);
    assert_eq!(config.servers[2].target, Target::Url(Upstream::Address(unix("/etc/ostler/old.sock"))));
}

#[test]
fn braces_around_more_than_a_word_are_no_placeholder() {
    let text =
        "[[server]]\nhost = \"a.localhost\"\ncommand = [\"a\", '{\"port\": {port}}', \"${}\", \"{ x }\"]\n";
    assert!(matches!(&config(text).servers[0].target, Target::Command(command) if command.argv.len() == 4));
}

#[test]
fn a_trusted_network_contains_mapped_addresses_too() {
    let config = config("[switchboard]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\", \"unix\"]\n");
    let [ten, loopback, unix] = config.switchboard.trusted_proxies.as_slice() else { panic!("three") };
    assert!(ten.contains("10.1.2.3".parse().unwrap()));
    assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()));
    assert!(!ten.contains("11.0.0.1".parse().unwrap()));
    assert!(loopback.contains("::1".parse().unwrap()));
    assert_eq!(*unix, TrustedProxy::Unix);
    assert!(!unix.contains("127.0.0.1".parse().unwrap()));
}

#[test]
fn a_url_may_name_a_host_and_leave_out_the_port() {
    let text = "[[server]]\nhost = \"a.localhost\"\nurl = \"http://DB.internal/\"\n";
    let Target::Url(upstream) = &config(text).servers[0].target else { panic!("a URL") };
    assert_eq!(upstream.to_string(), "http://db.internal:80");
}

#[test]
fn a_file_from_windows_is_read_like_any_other() {
    let config = config("\u{feff}[pool]\r\nmax_servers = 7\r\n");
    assert_eq!(config.pool.max_servers, 7);
}

#[test]
fn listeners_on_port_zero_do_not_collide() {
    config("[switchboard]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n");
}

#[test]
fn the_default_host_may_be_one_of_a_wildcard() {
    let text = "[switchboard]\ndefault_host = \"Hello.localhost\"\n[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\n";
    assert_eq!(config(text).switchboard.default_host.unwrap().as_str(), "hello.localhost");
    assert!(
        matches!(&config(text).servers[0].host, HostPattern::Wildcard(suffix) if suffix.as_str() == "localhost")
    );
}

#[test]
fn a_server_whose_arguments_have_a_socket_listens_on_one() {
    let socket = |command: &str| {
        let config = config(&format!("[[server]]\nhost = \"a.localhost\"\ncommand = {command}\n"));
        let Target::Command(command) = &config.servers[0].target else { panic!("it is a command") };
        command.socket
    };
    assert!(socket("[\"serve\", \"--listen=unix:{socket}\"]"));
    assert!(!socket("[\"serve\", \"{port}\"]"));
    assert!(!socket("[\"serve\"]"));
}
