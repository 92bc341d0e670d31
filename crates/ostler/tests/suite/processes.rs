//! Children over HTTP: what they are given, and what is seen when one of them dies.

use std::collections::BTreeSet;

use rustix::process::{Pid, Signal, kill_process};

use crate::keep_alive::Load;
use crate::raw::{Events, get};
use crate::stage::{
    SOON, address, ends_within, is_alive, mark, node, nothing_is_left, serve, serve_with, server,
};

#[test]
fn a_child_is_told_its_port_and_its_host_and_no_secret_of_ours() {
    let variables = [("DATABASE_PASSWORD", "hunter2"), ("REGION", "north"), ("LANG", "C.UTF-8")];
    let more = "env_pass = [\"REGION\"]\nenv = { COLOUR = \"green\" }";
    let ostler = serve_with("", "", &node("a.localhost", more), &variables);
    let itself = get(ostler.switchboard, "a.localhost", "/self").with(200).json();
    let environment = &itself["environment"];
    let port = address(&ostler, "a.localhost").port().to_string();
    for (name, value) in [
        ("PORT", port.as_str()),
        ("OSTLER_HOST", "a.localhost"),
        ("REGION", "north"),
        ("COLOUR", "green"),
        ("LANG", "C.UTF-8"),
    ] {
        assert_eq!(environment[name], value, "{environment}");
    }
    assert!(environment.get("SOCKET").is_none(), "{environment}");
    assert!(!environment.to_string().contains("hunter2"), "{environment}");
}

#[test]
fn a_child_may_listen_on_a_unix_socket() {
    let more = "socket = true";
    let servers = node("a.localhost", more).replace("\"\"]", "\"{socket}\", \"{host}\"]");
    let ostler = serve("", "", &servers);
    let itself = get(ostler.switchboard, "a.localhost", "/self").with(200).json();
    let socket = itself["environment"]["SOCKET"].as_str().unwrap();
    assert_eq!(server(&ostler, "a.localhost")["address"], format!("unix:{socket}"));
    assert_eq!((&itself["arguments"][2], &itself["arguments"][3]), (&socket.into(), &"a.localhost".into()));
    assert!(itself["environment"].get("PORT").is_none());
    let mark = mark(&ostler, "a.localhost");
    ostler.signal(Signal::TERM);
    let (code, log, directory) = ostler.end_with_directory();
    assert_eq!(code, Some(143), "{log}");
    nothing_is_left(&directory, &mark, SOON);
}

#[test]
fn pythons_file_server_serves_without_knowing_of_us() {
    let command = "command = [\"python3\", \"-m\", \"http.server\", \"{port}\", \"--bind\", \"127.0.0.1\"]";
    for ready in ["/ostler.toml", "accept"] {
        let servers = format!("[[server]]\nhost = \"files.localhost\"\n{command}\nready = \"{ready}\"\n");
        let ostler = serve("", "", &servers);
        let file = get(ostler.switchboard, "files.localhost", "/ostler.toml").with(200);
        assert!(file.body.contains("http.server"), "{file:?}");
        get(ostler.switchboard, "files.localhost", "/nothing").with(404);
        let child = server(&ostler, "files.localhost")["pid"].as_i64().unwrap();
        ostler.signal(Signal::INT);
        assert_eq!(ostler.end().0, Some(130));
        assert!(!is_alive(child.try_into().unwrap()));
    }
}

#[test]
fn of_a_child_killed_under_load_its_own_clients_see_problems_at_most_and_others_nothing() {
    const CLIENTS: usize = 12;
    const KILLS: usize = 3;
    let pool = "[pool.backoff]\ninitial = \"10ms\"";
    let ostler = serve("", pool, &[node("a.localhost", ""), node("b.localhost", "")].concat());
    let mut events = Events::follow(ostler.admin, None);
    let victims = Load::on(ostler.switchboard, "a.localhost", CLIENTS);
    let others = Load::on(ostler.switchboard, "b.localhost", CLIENTS);
    let neighbour = server(&ostler, "b.localhost");
    let mut generations = BTreeSet::new();
    for _ in 0..KILLS {
        victims.goes_on_for(CLIENTS);
        others.goes_on_for(CLIENTS);
        let victim = server(&ostler, "a.localhost");
        let pid = victim["pid"].as_i64().unwrap().try_into().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        let failed = events.next_of("failed");
        assert_eq!((&failed["key"], &failed["generation"]), (&"a.localhost".into(), &victim["generation"]));
        assert_eq!(events.next_of("stopped")["generation"], victim["generation"]);
        assert_eq!(events.next_of("ready")["key"], "a.localhost", "the next request has started another");
        generations.insert(victim["generation"].as_u64().unwrap());
        ends_within(pid, SOON);
    }
    victims.goes_on_for(CLIENTS);
    let (victims, others) = (victims.stop(), others.stop());
    assert_eq!(generations.len(), KILLS);

    assert!(others.cut.is_empty() && others.unanswered == 0, "{others:?}");
    let whole =
        |seen: &crate::keep_alive::Seen| seen.answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(whole(&others), others.answers.len());
    assert_eq!(server(&ostler, "b.localhost")["pid"], neighbour["pid"]);

    assert!(victims.cut.is_empty() && victims.unanswered == 0, "{:?} {}", victims.cut, victims.unanswered);
    for answer in victims.answers.iter().filter(|answer| answer.status != 200) {
        assert!([502, 503].contains(&answer.status), "{answer:?}");
        assert!(answer.body.contains("urn:ostler:problem:"), "{answer:?}");
    }
    // A kill costs a client one request in flight at most, and what it asks while the next server starts waits.
    assert!(victims.answers.len() - whole(&victims) <= KILLS * CLIENTS, "{victims:?}");
}
