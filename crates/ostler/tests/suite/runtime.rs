//! The entire runtime inside a test, through the library: it is there while its scope is, and then nothing of it is.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use ostler::config::Config;
use ostler::{EventKind, GuardProgram, Host, HostError, HostOptions, Scope};
use ostler_http::State;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::binary::free_ports;
use crate::raw::{admin, get, open};
use crate::stage::{SOON, carrying, echo, ends_within, node};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn config(switchboard: &str, servers: &str) -> Config {
    let text = format!(
        "[switchboard]\nlisten = \"{switchboard}\"\nworkers = 2\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [pool]\nbase_port = {}\n{servers}",
        free_ports()
    );
    Config::parse(&text, "test").unwrap()
}

/// This program is a test and no guard.
fn options(guard: &str) -> HostOptions {
    HostOptions { guard: GuardProgram::Path(PathBuf::from(guard)), ..HostOptions::default() }
}

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

/// Starts everything, uses it, and ends it.
fn live_once() {
    let runtime = runtime();
    let servers = [echo("*.localhost", ""), node("node.localhost", "")].concat();
    let config = config("127.0.0.1:0", &servers);
    let scope = runtime.block_on(async { Scope::root("test").open() }).unwrap();
    let host = runtime.block_on(Host::start(&scope, &config, options(env!("CARGO_BIN_EXE_ostler")))).unwrap();
    let mut events = host.pool.events(64);
    let tcp = |address: &ostler::Address| address.to_string().parse::<SocketAddr>().unwrap();
    let switchboard = tcp(host.switchboards[0].address());
    let admin_address = tcp(host.admin.addresses().next().unwrap());

    get(switchboard, "a.localhost", "/").with(200);
    let child = get(switchboard, "node.localhost", "/self").with(200).json();
    admin(admin_address, "GET", "/readyz").with(200);
    let _stream = open(switchboard, "GET", "/sse", "Host: b.localhost\r\n");
    runtime.block_on(async {
        while events.next().await.is_some_and(|event| {
            let event = event.unwrap();
            !(event.key.as_str() == "b.localhost" && matches!(event.kind, EventKind::Ready { .. }))
        }) {}
    });
    let tree = scope.tree().paths();
    for part in ["a.localhost", "node.localhost", "admin", "launcher", "switchboard"] {
        assert!(tree.iter().any(|path| path.contains(part)), "no {part} in {tree:#?}");
    }

    let report = runtime.block_on(scope.halt());
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(scope.tree().paths(), ["test"]);
    let stopped: Vec<_> = runtime.block_on(
        events
            .filter_map(|event| async move {
                let event = event.unwrap();
                matches!(event.kind, EventKind::Stopped).then(|| event.key.to_string())
            })
            .collect(),
    );
    assert_eq!(stopped.len(), 3, "every stop, and then the end of the stream: {stopped:?}");
    for address in [switchboard, admin_address] {
        assert!(TcpStream::connect(address).is_err(), "{address} is still listened on");
    }
    ends_within(child["pid"].as_i64().unwrap().try_into().unwrap(), SOON);
    let mark = child["environment"]["OSTLER_INSTANCE"].as_str().unwrap();
    assert_eq!(carrying(mark), [0; 0], "the guard is gone as well");
}

#[test]
fn the_whole_runtime_lives_in_a_scope_and_ends_with_it() {
    // What the process keeps for good, such as the handler of SIGCHLD, is there after the first time.
    live_once();
    let before = [entries("/proc/self/fd"), entries("/proc/self/task")];
    live_once();
    live_once();
    // Run by nextest, each test is a process; else those are other tests' too.
    if std::env::var_os("NEXTEST").is_some() {
        let after = [entries("/proc/self/fd"), entries("/proc/self/task")];
        assert_eq!(after, before, "descriptors and threads");
    }
}

#[test]
fn a_start_that_fails_leaves_nothing_in_the_scope() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let runtime = runtime();
    for (switchboard, guard) in
        [(address.as_str(), env!("CARGO_BIN_EXE_ostler")), ("127.0.0.1:0", "/bin/true")]
    {
        runtime.block_on(async {
            let scope = Scope::root("test").open().unwrap();
            let config = config(switchboard, &echo("a.localhost", ""));
            let error = Host::start(&scope, &config, options(guard)).await.unwrap_err();
            match error {
                HostError::Listen { key, .. } => assert_eq!(key, "switchboard.listen"),
                HostError::Launcher(error) => assert!(error.to_string().contains("guard"), "{error}"),
                other => panic!("{other}"),
            }
            assert_eq!(scope.tree().paths(), ["test"]);
            assert!(scope.halt().await.is_clean());
        });
    }
}

#[test]
fn several_listeners_drain_together() {
    let runtime = runtime();
    let mut config = config("127.0.0.1:0", &echo("*.localhost", ""));
    config.switchboard.listen.push("127.0.0.1:0".parse().unwrap());
    config.switchboard.lame_duck = Duration::from_secs(1);
    runtime.block_on(async {
        let scope = Scope::root("test").open().unwrap();
        let host = Host::start(&scope, &config, options(env!("CARGO_BIN_EXE_ostler"))).await.unwrap();
        let [first, second] = &host.switchboards[..] else { panic!("two listeners") };
        let begun = Instant::now();
        let halting = tokio::spawn(async move { scope.halt().await });
        for server in [first.server(), second.server()] {
            while server.state() == State::Running {
                tokio::task::yield_now().await;
            }
        }
        let states = [first.server().state(), second.server().state()];
        assert_eq!(states, [State::LameDuck; 2], "one waited for the other");
        assert!(halting.await.unwrap().is_clean());
        assert!(begun.elapsed() < 2 * config.switchboard.lame_duck, "{:?}", begun.elapsed());
    });
}
