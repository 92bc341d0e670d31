//! The demo tools without a store: servers that have nothing in common but their keys.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler};
use crate::raw::admin;
use crate::tools::{assert_booked, call, endpoint, go_on, killed, trip, try_call};

/// What a file of shared keys says.
pub(crate) const KEYS: &str =
    r#"{ "keys": [{ "id": 1, "key": "dGhpcnR5LXR3byBieXRlcyBvZiBhIHNoYXJlZCBrZXk=" }] }"#;

fn up(directory: Directory, keys: Option<&str>) -> Ostler {
    let mut variables = vec![
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", "127.0.0.1:0"),
        ("OSTLER_TOOLS__RESUME", "sealed"),
    ];
    variables.extend(keys.map(|keys| ("OSTLER_TOOLS__KEYS", keys)));
    Ostler::up(directory, &["up"], &variables)
}

/// In a directory with nothing but a copy of the keys.
fn up_with_keys() -> Ostler {
    let directory = Directory::new();
    let keys = directory.write("shared.json", KEYS);
    up(directory, Some(&keys))
}

/// The names of the files below `directory`.
fn files(directory: &Directory) -> Vec<String> {
    let mut folders = vec![directory.path("").into()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir::<std::path::PathBuf>(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.file_name().into_string().unwrap()),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn two_servers_with_copies_of_a_key_book_a_flight_by_turns_and_store_nothing() {
    let [one, two] = [up_with_keys(), up_with_keys()];
    let first = call(endpoint(&one), "book_flight", json!({ "arguments": trip() }));
    assert_eq!(admin(one.admin, "GET", "/sessions").with(200).json(), json!([]));
    let second = go_on(endpoint(&two), &first);
    assert_eq!(second["inputRequests"].as_object().unwrap().len(), 2);
    let booked = go_on(endpoint(&one), &second);
    assert_booked(&booked);
    // Whoever comes again has it done again, and gets the same.
    assert_eq!(go_on(endpoint(&two), &second)["structuredContent"], booked["structuredContent"]);
    let metrics = admin(one.admin, "GET", "/metrics").with(200).body;
    assert!(
        metrics.lines().any(|line| line == r#"ostler_tools_resumed_total{from="sealed"} 1"#),
        "{metrics}"
    );
    for ostler in [one, two] {
        ostler.signal(Signal::TERM);
        let (code, log, directory) = ostler.end_with_directory();
        assert_eq!(code, Some(143), "{log}");
        assert_eq!(files(&directory), ["shared.json"]);
    }
}

#[test]
fn a_server_that_is_alone_keeps_its_keys_and_nothing_else() {
    let ostler = up(Directory::new(), None);
    let first = call(endpoint(&ostler), "book_flight", json!({ "arguments": trip() }));
    let directory = killed(ostler);
    assert_eq!(files(&directory), ["keys.json"]);
    let ostler = up(directory, None);
    let second = go_on(endpoint(&ostler), &first);
    assert_booked(&go_on(endpoint(&ostler), &second));
    // To another one the state means nothing.
    let params = json!({ "arguments": trip(), "requestState": second["requestState"] });
    let stranger = up_with_keys();
    let refused = try_call(endpoint(&stranger), "book_flight", params).unwrap();
    assert_eq!(refused["error"]["message"], "the requestState is not one of this call");
}

#[test]
fn a_tool_that_sleeps_is_refused_and_told_why() {
    let ostler = up_with_keys();
    let params = json!({ "arguments": { "topic": "rain" } });
    let refused = try_call(endpoint(&ostler), "slow_report", params).unwrap();
    assert_eq!(refused["error"]["message"], "`sleep` needs a store, and there is none");
    ostler.has_said("a call has failed failure=`sleep` needs a store, and there is none");
}

#[test]
fn a_key_file_that_is_not_there_is_not_made() {
    let directory = Directory::new();
    let keys = directory.path("absent.json");
    let listen = [("OSTLER_MCP__LISTEN", "127.0.0.1:0"), ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0")];
    let mut variables = listen.to_vec();
    variables.extend([("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"), ("OSTLER_TOOLS__KEYS", &keys)]);
    directory.run(&["up"], &variables).with(1).complains(&format!("the key file {keys} cannot be read"));
    assert_eq!(directory.run(&["check"], &variables).with(0).stderr, "");
    assert!(files(&directory).iter().all(|file| file != "absent.json"));
}

#[test]
fn a_successor_goes_on_with_what_its_predecessor_has_asked() {
    crate::lineage::adopt_orphans();
    let ostler = up_with_keys();
    let address = endpoint(&ostler);
    let first: Value = call(address, "book_flight", json!({ "arguments": trip() }));
    let successor = crate::lineage::replace(&ostler);
    let second = go_on(address, &first);
    assert_booked(&go_on(address, &second));
    drop(successor);
}
