//! Faults that a host of servers easily has: one server's trouble becomes another's, or nobody hears of it. What becomes of
//! one server over its life is in `fault_lives`.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::binary::{Directory, rest};
use crate::keep_alive::KeepAlive;
use crate::raw::{Events, admin, get, open, send};
use crate::stage::{SOON, address, echo, mark, node, node_with, nothing_is_left, serve, server};

#[test]
fn a_crashed_backend_costs_only_that_server_and_its_next_request_starts_another() {
    let ostler = serve("", "", &[node("a.localhost", ""), node("b.localhost", "")].concat());
    let mut neighbour = KeepAlive::new(ostler.switchboard, "b.localhost").unwrap();
    let before = neighbour.get("/").unwrap().unwrap();
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let generations = ["a.localhost", "b.localhost"].map(|host| server(&ostler, host)["generation"].clone());
    let mut events = Events::follow(ostler.admin, None);

    let told = get(ostler.switchboard, "a.localhost", "/crash").with(502).json();
    // The latter when it was sent on a used connection, and once more on a new one.
    let either = ["upstream-died", "unreachable"].map(|name| format!("urn:ostler:problem:{name}"));
    assert!(either.contains(&told["type"].as_str().unwrap().to_owned()), "{told}");
    let failed = events.next_of("failed");
    assert!(failed["error"].as_str().unwrap().contains("exit status 9"), "{failed}");
    assert_eq!(events.next_of("stopped")["generation"], generations[0]);

    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_ne!(server(&ostler, "a.localhost")["generation"], generations[0]);
    assert_eq!(neighbour.get("/").unwrap().unwrap(), before, "the same process on the same connection");
    assert_eq!(server(&ostler, "b.localhost")["generation"], generations[1]);
}

#[test]
fn a_backend_whose_port_is_in_use_costs_only_that_server() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let broken = node_with("a.localhost", "taken", &format!("env = {{ TAKEN = \"{port}\" }}"));
    let ostler = serve("", "", &[broken, node("b.localhost", "")].concat());
    let before = get(ostler.switchboard, "b.localhost", "/").with(200).body;
    let mut events = Events::follow(ostler.admin, None);
    get(ostler.switchboard, "a.localhost", "/").with(502).is_problem("start-failed");
    events.next_of("failed");
    let failure = admin(ostler.admin, "GET", "/failures").with(200).json();
    assert!(failure[0]["output"].to_string().contains("EADDRINUSE"), "{failure}");
    assert_eq!(get(ostler.switchboard, "b.localhost", "/").with(200).body, before);
}

#[test]
fn a_port_that_somebody_else_holds_is_skipped_and_a_freed_one_is_used_again() {
    let servers = [node("a.localhost", ""), node("b.localhost", ""), echo("c.localhost", "")].concat();
    let ostler = serve("", "port_reuse_pause = \"0s\"", &servers);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let first = address(&ostler, "a.localhost");
    ostler.ask(&["stop", "a.localhost"]).with(0);

    let taken = TcpListener::bind(first).unwrap();
    for host in ["b.localhost", "c.localhost"] {
        get(ostler.switchboard, host, "/").with(200);
        assert!(address(&ostler, host).port() > first.port(), "{host}");
    }
    drop(taken);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(address(&ostler, "a.localhost"), first);
}

#[test]
fn stopped_is_told_after_the_socket_is_closed_and_no_twin_starts_before() {
    let ostler = serve("", "", &node_with("a.localhost", "stays", "kill_timeout = \"1m\""));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let old = address(&ostler, "a.localhost");
    let asked = open(old, "GET", "/until-asked", "Host: a\r\nConnection: close\r\n");
    let mut events = Events::follow(ostler.admin, None);
    let stopping = ostler.command(&["stop", "a.localhost"]).stdout(Stdio::null()).spawn().unwrap();
    rest(asked);

    // It was asked to end and still listens: who calls now waits, and gets no twin.
    let waiting = open(ostler.switchboard, "GET", "/self", "Host: a.localhost\r\nConnection: close\r\n");
    let servers = admin(ostler.admin, "GET", "/servers").with(200).json();
    assert_eq!(servers.as_array().unwrap().len(), 1, "{servers}");
    assert_eq!((&servers[0]["state"], &servers[0]["generation"]), (&"stopping".into(), &1.into()));

    assert_eq!(send(old, "GET", "/exit", "Host: a\r\n").body, "bye");
    assert_eq!(events.next_of("stopped")["generation"], 1);
    assert!(TcpStream::connect(old).is_err(), "stopped means closed");
    let started = events.next().unwrap();
    assert_eq!((&started["kind"], &started["generation"]), (&"started".into(), &2.into()));
    assert!(rest(waiting).starts_with("HTTP/1.1 200"));
    assert!({ stopping }.wait().unwrap().success());
}

#[test]
fn one_open_request_does_not_hang_the_shutdown_for_ever() {
    let ostler = serve("drain_timeout = \"50ms\"", "", &node("a.localhost", ""));
    let mark = mark(&ostler, "a.localhost");
    let mut client = open(ostler.switchboard, "GET", "/half", "Host: a.localhost\r\n");
    BufReader::new(&mut client).read_line(&mut String::new()).unwrap();
    ostler.signal(Signal::INT);
    let (code, log, directory) = ostler.end_with_directory();
    assert_eq!(code, Some(3), "{log}");
    nothing_is_left(&directory, &mark, SOON);
}

#[test]
fn events_show_every_stop_on_ctrl_c_and_then_end() {
    let servers = [node("a.localhost", ""), echo("*.localhost", "")].concat();
    let ostler = serve("", "", &servers);
    let hosts = ["a.localhost", "b.localhost", "c.localhost"];
    let mut events = Events::follow(ostler.admin, None);
    let mut command = ostler.command(&["events", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(command.stdout.take().unwrap()).lines();
    for host in hosts {
        get(ostler.switchboard, host, "/").with(200);
        // The command follows as well before anything ends.
        lines.find(|line| line.as_ref().unwrap().contains("\"ready\",\"address\"")).unwrap().unwrap();
    }
    ostler.signal(Signal::INT);
    let raw: Vec<Value> = std::iter::from_fn(|| events.next()).collect();
    let told: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    for events in [raw, told] {
        let stopped =
            |host: &str| events.iter().any(|event| event["kind"] == "stopped" && event["key"] == host);
        assert!(hosts.iter().all(|host| stopped(host)), "{events:?}");
    }
    assert!(command.wait().unwrap().success());
    assert_eq!(ostler.end().0, Some(130));
}

#[test]
fn strangers_who_invent_hosts_take_the_places_of_their_wildcard_and_no_others() {
    let servers = [echo("*.localhost", "max = 2"), echo("shop.example", "")].concat();
    let ostler = serve("wait_timeout = \"50ms\"", "", &servers);
    let busy = ["a.localhost", "b.localhost"].map(|host| {
        let mut stream = open(ostler.switchboard, "GET", "/sse", &format!("Host: {host}\r\n"));
        BufReader::new(&mut stream).read_line(&mut String::new()).unwrap();
        stream
    });
    for stranger in 0..20 {
        let refused = get(ostler.switchboard, &format!("x{stranger}.localhost"), "/").with(503);
        assert!(refused.head.contains("retry-after: "), "{refused:?}");
        refused.is_problem("full");
        // Nobody's host starts nothing.
        get(ostler.switchboard, &format!("x{stranger}.example"), "/").with(404).is_problem("unknown-host");
    }
    get(ostler.switchboard, "shop.example", "/").with(200);
    assert_eq!(admin(ostler.admin, "GET", "/servers").json().as_array().unwrap().len(), 3);
    drop(busy);
}

#[test]
fn an_ip_address_is_no_host_of_its_first_number() {
    let directory = Directory::new();
    directory.write("ostler.toml", &echo("127", ""));
    directory.run(&["check"], &[]).with(2).complains("server[0].host");

    let ostler = serve("first_label = true", "", &echo("shop", ""));
    for address in ["127.0.0.1", "127.0.0.1:8000", "[::1]", "127.1", "0x7f.0.0.1"] {
        let refused = get(ostler.switchboard, address, "/");
        assert!([400, 404].contains(&refused.status), "{address}: {refused:?}");
    }
    assert_eq!(admin(ostler.admin, "GET", "/servers").json(), Value::Array(Vec::new()));
    get(ostler.switchboard, "shop.example.com", "/").with(200);
}

#[test]
fn every_path_of_the_switchboard_is_the_tenants() {
    let ostler = serve("", "", &echo("a.localhost", ""));
    let paths =
        ["/__switchboard/health", "/__switchboard/servers", "/healthz", "/readyz", "/metrics", "/servers"];
    for path in
        paths.into_iter().chain(["/servers/a.localhost", "/scopes", "/events", "/drain", "/openapi.json"])
    {
        for method in ["GET", "POST", "DELETE"] {
            let tenant = send(ostler.switchboard, method, path, "Host: a.localhost\r\n").with(200).json();
            assert_eq!((&tenant["hostname"], &tenant["path"]), (&"a.localhost".into(), &path.into()));
            let nobody = format!("Host: {}\r\n", ostler.switchboard);
            send(ostler.switchboard, method, path, &nobody).with(404).is_problem("unknown-host");
        }
    }
    assert_eq!(server(&ostler, "a.localhost")["generation"], 1, "nobody has stopped it");
}

#[test]
fn a_full_pool_is_told_as_503_with_the_time_to_come_back() {
    let ostler = serve("wait_timeout = \"50ms\"", "max_servers = 1", &echo("*.localhost", ""));
    let mut busy = open(ostler.switchboard, "GET", "/sse", "Host: a.localhost\r\n");
    BufReader::new(&mut busy).read_line(&mut String::new()).unwrap();
    let mut events = Events::follow(ostler.admin, None);
    let refused = get(ostler.switchboard, "b.localhost", "/").with(503);
    let (_, after) = refused.head.split_once("retry-after: ").unwrap();
    assert!(after.lines().next().unwrap().parse::<u64>().unwrap() >= 1, "{refused:?}");
    refused.is_problem("full");
    assert_eq!(events.next_of("limit_reached")["key"], "b.localhost");
    assert_eq!(server(&ostler, "a.localhost")["state"], "ready", "what is in use is not evicted");
}
