//! What the admin API says of what runs.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpStream;
use std::thread;

use ostler_testing::PATIENCE;
use serde_json::Value;
use tokio::time::Instant;

use crate::binary::Ostler;
use crate::raw::{Events, Stuck, admin, get, open};
use crate::tools;

const ANY: &str = "[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\n";
const BROKEN: &str = "[[server]]\nhost = \"broken.localhost\"\n\
    command = [\"sh\", \"-c\", \"echo no database here >&2; exit 7\", \"{port}\"]\n";

#[test]
fn every_documented_path_answers_as_documented() {
    let ostler = Ostler::serve(&format!("{ANY}[mcp]\nlisten = \"127.0.0.1:0\"\ntools = [\"demo\"]\n"));
    let document = admin(ostler.admin, "GET", "/openapi.json").with(200).json();
    let mut asked = Vec::new();
    // The drain is the end of the rest.
    let paths = document["paths"].as_object().unwrap();
    for drains in [false, true] {
        for (path, operations) in paths.iter().filter(|(path, _)| (*path == "/drain") == drains) {
            for (method, operation) in operations.as_object().unwrap() {
                get(ostler.switchboard, "a.localhost", "/").with(200);
                let (method, path) = (method.to_uppercase(), path.replace("{key}", "a.localhost"));
                let path = if path.contains("{id}") { path.replace("{id}", &waiting(&ostler)) } else { path };
                asked.push(format!("{method} {path}"));
                if path == "/events" {
                    // It has no end to wait for.
                    Events::follow(ostler.admin, None);
                    continue;
                }
                let reply = admin(ostler.admin, &method, &path).with(200);
                let documented = &operation["responses"]["200"]["content"];
                let kind = documented.as_object().unwrap().keys().next().unwrap();
                assert!(reply.head.contains(&format!("content-type: {kind}")), "{path}: {reply:?}");
            }
        }
    }
    assert!(asked.len() >= 14, "{asked:?}");
    assert_eq!(ostler.end().0, Some(0));
}

/// The id of a session that waits for an answer.
fn waiting(ostler: &Ostler) -> String {
    let arguments = serde_json::json!({ "arguments": { "name": "notes.txt" } });
    tools::call(tools::endpoint(ostler), "confirm_delete", arguments);
    let sessions = admin(ostler.admin, "GET", "/sessions").with(200).json();
    sessions[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_tells_what_it_is_and_why_it_is_alive() {
    let ostler = Ostler::serve(ANY);
    assert_eq!(admin(ostler.admin, "GET", "/servers").with(200).json(), Value::Array(Vec::new()));
    for _ in 0..2 {
        get(ostler.switchboard, "a.localhost", "/").with(200);
    }
    let servers = admin(ostler.admin, "GET", "/servers").with(200).json();
    let [server] = servers.as_array().unwrap().as_slice() else { panic!("{servers}") };
    for (field, value) in [
        ("key", "a.localhost".into()),
        ("generation", 1.into()),
        ("state", "ready".into()),
        ("pid", Value::Null),
        ("leases", 0.into()),
        ("requests", 2.into()),
        ("rule", "*.localhost".into()),
    ] {
        assert_eq!(server[field], value, "{server}");
    }
    assert_eq!(server["why_alive"]["reason"], "idle");
    assert!(server["why_alive"]["remaining_seconds"].as_f64().unwrap() > 500.0, "{server}");
    assert!(server["address"].as_str().unwrap().ends_with(&format!(":{}", server["port"])), "{server}");
    assert!(server["started_at"].as_str() <= server["ready_at"].as_str(), "{server}");
    assert!(server["idle_seconds"].as_f64() <= server["age_seconds"].as_f64(), "{server}");
}

#[test]
fn a_stopped_server_is_gone_and_the_next_request_starts_another() {
    let ostler = Ostler::serve(ANY);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let stopped = admin(ostler.admin, "DELETE", "/servers/A.localhost.").with(200).json();
    assert_eq!((&stopped["key"], &stopped["generation"]), (&"a.localhost".into(), &1.into()));
    admin(ostler.admin, "DELETE", "/servers/a.localhost").with(404).is_problem("no-such-server");
    admin(ostler.admin, "GET", "/servers/a.localhost").with(404).is_problem("no-such-server");
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(admin(ostler.admin, "GET", "/servers/a.localhost").with(200).json()["generation"], 2);
}

#[test]
fn a_failure_is_told_with_the_last_words_of_the_child_on_the_admin_side_only() {
    let ostler = Ostler::serve(BROKEN);
    let mut events = Events::follow(ostler.admin, None);
    let answer = get(ostler.switchboard, "broken.localhost", "/").with(502);
    assert!(!answer.body.contains("database") && !answer.body.contains("sh"), "{answer:?}");
    let failed = events.next_of("failed");

    let failures = admin(ostler.admin, "GET", "/failures").with(200).json();
    let failure = &failures[0];
    assert_eq!(failure["event"], failed["id"]);
    assert_eq!(failure["key"], "broken.localhost");
    assert_eq!(failure["was_ready"], false);
    assert!(failure["error"].as_str().unwrap().contains("exit status 7"), "{failure}");
    assert_eq!(failure["output"][0], "no database here");
    assert_eq!(failure["command"][3], "{port}");
    ostler.has_said("server did not start");
}

/// A child that is at hand on every machine that runs these tests: another Ostler.
fn child() -> String {
    format!(
        "[[server]]\nhost = \"child.localhost\"\nready = \"/health\"\ncwd = \"/\"\ncommand = [\"sh\", \"-c\", \"\"\"\n\
         OSTLER_SWITCHBOARD__LISTEN=127.0.0.1:$PORT OSTLER_ADMIN__LISTEN=127.0.0.1:0 OSTLER_MCP__LISTEN=[] \
         OSTLER_SWITCHBOARD__DEFAULT_HOST=a.localhost exec {} up\"\"\"]\n",
        env!("CARGO_BIN_EXE_ostler")
    )
}

#[test]
fn the_configuration_bounds_what_is_kept_and_shown() {
    let any = "[[server]]\nhost = \"*.localhost\"\ncommand = [\"false\"]\n";
    let ostler = Ostler::serve_with("failures_buffer = 1\noutput_lines = 1", &[any, &child()].concat());
    let mut events = Events::follow(ostler.admin, None);
    for host in ["a.localhost", "b.localhost"] {
        get(ostler.switchboard, host, "/").with(502);
        events.next_of("failed");
    }
    let failures = admin(ostler.admin, "GET", "/failures").with(200).json();
    assert_eq!(failures.as_array().unwrap().len(), 1, "{failures}");
    assert_eq!(failures[0]["key"], "b.localhost");
    get(ostler.switchboard, "child.localhost", "/health").with(200);
    let child = admin(ostler.admin, "GET", "/servers/child.localhost").with(200).json();
    assert_eq!(child["output"].as_array().unwrap().len(), 1, "{child}");
}

#[test]
fn the_configuration_bounds_how_many_are_let_in() {
    let ostler = Ostler::serve_with("max_connections = 1", ANY);
    let _follower = Events::follow(ostler.admin, None);
    let mut answer = String::new();
    TcpStream::connect(ostler.admin).unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[test]
fn whoever_was_told_of_a_failure_finds_it_at_once() {
    let ostler = Ostler::serve("[[server]]\nhost = \"*.localhost\"\nmax = 40\ncommand = [\"false\"]\n");
    for number in 0..20 {
        let host = format!("host-{number}.localhost");
        get(ostler.switchboard, &host, "/").with(502);
        let failures = admin(ostler.admin, "GET", "/failures").with(200).json();
        assert_eq!(failures[0]["key"], host.as_str(), "{failures}");
    }
}

#[test]
fn the_output_of_a_child_is_shown_while_it_is_still_starting() {
    let ostler = Ostler::serve(
        "start_timeout = \"1h\"\n[[server]]\nhost = \"slow.localhost\"\n\
         command = [\"sh\", \"-c\", \"echo warming up; exec sleep 3600\", \"{port}\"]\n",
    );
    let _request = open(ostler.switchboard, "GET", "/", "Host: slow.localhost\r\n");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = admin(ostler.admin, "GET", "/servers/slow.localhost");
        if reply.status == 200 && reply.json()["output"][0]["text"] == "warming up" {
            assert_eq!(reply.json()["state"], "starting");
            break;
        }
        assert!(Instant::now() < deadline, "{reply:?}");
    }
}

#[test]
fn who_asks_for_a_server_that_did_not_start_is_told_why_with_its_output() {
    let ostler = Ostler::serve(BROKEN);
    let mut events = Events::follow(ostler.admin, None);
    get(ostler.switchboard, "broken.localhost", "/").with(502);
    events.next_of("stopped");
    let gone = admin(ostler.admin, "GET", "/servers/broken.localhost").with(404);
    gone.is_problem("no-such-server");
    let failure = &gone.json()["last_failure"];
    assert!(failure["error"].as_str().unwrap().contains("exit status 7"), "{failure}");
    assert_eq!(failure["output"][0], "no database here");
    let never = admin(ostler.admin, "GET", "/servers/never.localhost").with(404).json();
    assert!(never.get("last_failure").is_none(), "{never}");
}

#[test]
fn a_child_is_shown_with_its_command_and_its_output() {
    let ostler = Ostler::serve(&child());
    get(ostler.switchboard, "child.localhost", "/health").with(200);
    let child = admin(ostler.admin, "GET", "/servers/child.localhost").with(200).json();
    assert!(child["pid"].as_u64().unwrap() > 1, "{child}");
    assert_eq!(child["command"][0], "sh");
    let output = child["output"].as_array().unwrap();
    let greeted =
        |line: &Value| line["stream"] == "stdout" && line["text"].as_str().unwrap().contains("quickstart");
    assert!(output.iter().any(greeted), "{child}");
    ostler.ask(&["ps"]).with(0).says(&child["pid"].to_string());
}

#[test]
fn the_scopes_are_a_tree_with_every_server_in_it() {
    let ostler = Ostler::serve(ANY);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let tree = admin(ostler.admin, "GET", "/scopes").with(200).json();
    assert_eq!(
        (&tree["name"], &tree["kind"], &tree["state"]),
        (&"ostler".into(), &"scope".into(), &"live".into())
    );
    let child = |node: &Value, name: &str| -> Value {
        let children = node["children"].as_array().unwrap();
        let found = children.iter().find(|child| child["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {node}")).clone()
    };
    let servers = child(&child(&tree, "pool"), "servers");
    assert_eq!(servers["kind"], "group");
    child(&servers, "a.localhost#1");
}

#[test]
fn ostler_is_not_ready_while_it_drains() {
    let stuck = Stuck::new();
    let ostler = Ostler::serve(&stuck.server());
    admin(ostler.admin, "GET", "/readyz").with(200);
    let request = stuck.request(ostler.switchboard);
    let address = ostler.admin;
    let draining = thread::spawn(move || admin(address, "POST", "/drain?deadline=1h"));
    ostler.has_said("drain requested");
    assert_eq!(admin(ostler.admin, "GET", "/readyz").with(503).json()["status"], "draining");
    admin(ostler.admin, "GET", "/healthz").with(200);
    drop(request);
    assert_eq!(draining.join().unwrap().with(200).json()["drained"], true);
    assert_eq!(ostler.end().0, Some(0));
}

#[test]
fn a_second_drain_shortens_the_first() {
    let stuck = Stuck::new();
    let ostler = Ostler::serve(&stuck.server());
    let _request = stuck.request(ostler.switchboard);
    let address = ostler.admin;
    let first = thread::spawn(move || admin(address, "POST", "/drain?deadline=1h"));
    ostler.has_said("drain requested");
    let second = admin(address, "POST", "/drain?deadline=0s").with(200).json();
    assert_eq!((&second["drained"], &second["listeners"][0]["aborted"]), (&false.into(), &1.into()));
    assert_eq!(first.join().unwrap().with(200).json(), second);
    assert_eq!(ostler.end().0, Some(3));
}

#[test]
fn bad_input_is_a_problem_and_changes_nothing() {
    let ostler = Ostler::serve(ANY);
    admin(ostler.admin, "GET", "/").with(404).is_problem("no-such-path");
    admin(ostler.admin, "GET", "/servers/none.localhost").with(404).is_problem("no-such-server");
    admin(ostler.admin, "DELETE", "/servers/%FF").with(400).is_problem("bad-request");
    let wrong = admin(ostler.admin, "PUT", "/servers").with(405);
    wrong.is_problem("no-such-method");
    assert!(wrong.head.contains("allow: get"), "{wrong:?}");
    for query in ["deadline=soon", "deadline=", "dedline=5s", "deadline=5s&deadline=6s"] {
        admin(ostler.admin, "POST", &format!("/drain?{query}")).with(400).is_problem("bad-request");
    }
    admin(ostler.admin, "GET", "/readyz").with(200);
}

#[test]
fn metrics_are_well_formed_and_have_no_series_of_what_is_gone() {
    let ostler = Ostler::serve(ANY);
    let mut events = Events::follow(ostler.admin, None);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    get(ostler.switchboard, "nobody.example", "/").with(404);
    events.next_of("ready");
    let text = admin(ostler.admin, "GET", "/metrics").with(200).body;
    let switchboard = ostler.switchboard;
    for line in [
        "ostler_ready 1".to_owned(),
        "ostler_pool_servers{state=\"ready\"} 1".to_owned(),
        "ostler_pool_events_total{kind=\"started\"} 1".to_owned(),
        "ostler_pool_evictions_total{cause=\"idle\"} 0".to_owned(),
        "ostler_server_requests_total{key=\"a.localhost\"} 1".to_owned(),
        format!("ostler_switchboard_responses_total{{listener=\"{switchboard}\",class=\"2xx\"}} 1"),
        format!("ostler_switchboard_problems_total{{listener=\"{switchboard}\",problem=\"unknown-host\"}} 1"),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    well_formed(&text);

    admin(ostler.admin, "DELETE", "/servers/a.localhost").with(200);
    let text = admin(ostler.admin, "GET", "/metrics").with(200).body;
    assert!(!text.contains("a.localhost"), "{text}");
    well_formed(&text);
}

/// What promtool looks at: each sample behind the help and the type of its metric, names and values as they should be.
fn well_formed(text: &str) {
    let (mut helped, mut kind) = (String::new(), (String::new(), String::new()));
    let (mut metrics, mut all) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.') && metrics.insert(name.to_owned()), "{line}");
            name.clone_into(&mut helped);
        } else if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, what) = described.split_once(' ').unwrap();
            assert!(name == helped && ["counter", "gauge"].contains(&what), "{line}");
            kind = (name.to_owned(), what.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(name == kind.0 && name.starts_with("ostler_") && labels.ends_with('}'), "{line}");
            assert_eq!(name.ends_with("_total"), kind.1 == "counter", "{line}");
            assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{line}");
            assert!(all.insert(series.to_owned()), "twice: {line}");
        }
    }
    assert!(all.len() > 30, "{text}");
}
