//! The life of one server: eviction, idle timeouts, health checks with restarts, and deadlines for drains.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::binary::{Ostler, rest};
use crate::raw::{Events, get, open};
use crate::stage::{SOON, echo, ends_within, is_alive, node, serve, server};

fn pid(ostler: &Ostler, key: &str) -> i32 {
    server(ostler, key)["pid"].as_i64().unwrap().try_into().unwrap()
}

#[test]
fn the_idle_server_makes_room_for_another() {
    let ostler = serve("", "max_servers = 1", &[node("a.localhost", ""), echo("*.localhost", "")].concat());
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let first = pid(&ostler, "a.localhost");
    let mut events = Events::follow(ostler.admin, None);
    get(ostler.switchboard, "b.localhost", "/").with(200);
    ends_within(first, SOON);
    let told: Vec<_> = std::iter::from_fn(|| events.next())
        .map(|event| (event["kind"].as_str().unwrap().to_owned(), event["key"].as_str().unwrap().to_owned()))
        .filter(|(kind, _)| kind != "limit_reached")
        .take(4)
        .collect();
    let expected = [("evicted", "a"), ("stopped", "a"), ("started", "b"), ("ready", "b")];
    assert_eq!(told, expected.map(|(kind, key)| (kind.to_owned(), format!("{key}.localhost"))));
}

#[test]
fn an_idle_server_ends_with_its_process_and_comes_back_when_it_is_called() {
    let ostler = serve("", "", &node("a.localhost", "idle_timeout = \"300ms\""));
    let mut events = Events::follow(ostler.admin, None);
    let itself = get(ostler.switchboard, "a.localhost", "/self").with(200).json();
    let evicted = events.next_of("evicted");
    assert_eq!((&evicted["cause"], &evicted["generation"]), (&"idle".into(), &1.into()));
    events.next_of("stopped");
    assert!(!is_alive(itself["pid"].as_i64().unwrap().try_into().unwrap()));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(events.next_of("ready")["generation"], 2);
}

#[test]
fn a_server_that_fails_its_health_checks_is_replaced() {
    let more = "check_interval = \"100ms\"\nunhealthy_after = 2";
    let ostler = serve("", "", &[node("a.localhost", more), node("b.localhost", more)].concat());
    let mut events = Events::follow(ostler.admin, None);
    for host in ["a.localhost", "b.localhost"] {
        get(ostler.switchboard, host, "/").with(200);
    }
    let first = pid(&ostler, "a.localhost");
    let generation = |host| server(&ostler, host)["generation"].clone();
    let [old, neighbour] = ["a.localhost", "b.localhost"].map(generation);
    get(ostler.switchboard, "a.localhost", "/sick").with(200);
    let unhealthy = events.next_of("unhealthy");
    assert_eq!(unhealthy["key"], "a.localhost");
    assert!(unhealthy["error"].as_str().unwrap().contains("500"), "{unhealthy}");
    assert_eq!(events.next_of("evicted")["cause"], "unhealthy");
    assert_eq!(events.next_of("stopped")["generation"], old);
    assert!(!is_alive(first));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_ne!(generation("a.localhost"), old);
    assert_eq!(generation("b.localhost"), neighbour, "the other is well");
}

#[test]
fn the_drain_of_a_server_waits_for_its_requests_until_its_deadline() {
    for (path, whole) in [("/until-asked", false), ("/half", false), ("/count", true)] {
        let timeout = if whole { "1m" } else { "50ms" };
        let more = format!("drain_timeout = \"{timeout}\"");
        let ostler = serve("", "", &[node("a.localhost", &more), echo("b.localhost", "")].concat());
        let headers = "Host: a.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n";
        get(ostler.switchboard, "a.localhost", "/").with(200);
        let mut events = Events::follow(ostler.admin, None);
        let mut client = open(ostler.switchboard, "POST", path, headers);
        if path == "/half" {
            BufReader::new(&mut client).read_line(&mut String::new()).unwrap();
        }
        while server(&ostler, "a.localhost")["leases"] != 1 {}
        let mut stop = ostler.command(&["stop", "a.localhost"]).stdout(Stdio::null()).spawn().unwrap();
        events.next_of("evicted");
        if whole {
            assert_eq!(server(&ostler, "a.localhost")["state"], "draining");
            client.write_all(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
            let answer = rest(client);
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"length\":3"), "{answer}");
        }
        assert!(stop.wait().unwrap().success(), "{path}");
        assert_eq!(events.next_of("stopped")["generation"], 1);
        get(ostler.switchboard, "b.localhost", "/").with(200);
    }
}
