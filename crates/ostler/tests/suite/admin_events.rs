//! `/events`: complete, in order, and resumable.

use rustix::process::Signal;
use serde_json::Value;

use crate::binary::Ostler;
use crate::raw::{Events, admin, get};

const ANY: &str = "[[server]]\nhost = \"*.localhost\"\nbuiltin = \"echo\"\n";

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[test]
fn the_life_of_a_server_is_told_in_order() {
    let ostler = Ostler::serve(ANY);
    let mut events = Events::follow(ostler.admin, None);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    admin(ostler.admin, "DELETE", "/servers/a.localhost").with(200);
    let told: Vec<_> = (0..4).map(|_| events.next().unwrap()).collect();
    assert_eq!(kinds(&told), ["started", "ready", "evicted", "stopped"]);
    assert!(told.iter().all(|event| event["key"] == "a.localhost" && event["generation"] == 1));
    assert!(told[1]["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(told[2]["cause"], "requested");
    assert_eq!(events.id, told[3]["id"]);
}

#[test]
fn whoever_comes_back_with_an_id_gets_the_rest_and_nothing_twice() {
    let ostler = Ostler::serve(ANY);
    let mut first = Events::follow(ostler.admin, None);
    let place = first.id.clone();
    get(ostler.switchboard, "a.localhost", "/").with(200);
    let started = first.next_of("started");
    drop(first);
    get(ostler.switchboard, "b.localhost", "/").with(200);

    let mut second = Events::follow(ostler.admin, started["id"].as_str());
    let rest: Vec<_> = (0..3).map(|_| second.next().unwrap()).collect();
    assert_eq!(kinds(&rest), ["ready", "started", "ready"]);
    assert_eq!(rest[0]["key"], "a.localhost");
    // The place before the first event is one to come back to as well.
    assert_eq!(Events::follow(ostler.admin, Some(&place)).next(), Some(started));
}

#[test]
fn a_gap_is_told() {
    let ostler = Ostler::serve_with("events_buffer = 2", ANY);
    let place = Events::follow(ostler.admin, None).id;
    let mut watch = Events::follow(ostler.admin, None);
    for host in ["a.localhost", "b.localhost", "c.localhost"] {
        get(ostler.switchboard, host, "/").with(200);
        watch.next_of("ready");
    }
    let mut late = Events::follow(ostler.admin, Some(&place));
    let told: Vec<_> = (0..3).map(|_| late.next().unwrap()).collect();
    assert_eq!(kinds(&told), ["lagged", "started", "ready"]);
    assert_eq!((&told[0]["missed"], &told[2]["key"]), (&4.into(), &"c.localhost".into()));

    let mut stranger = Events::follow(ostler.admin, Some("0badcafe-3"));
    let lagged = stranger.next().unwrap();
    assert_eq!((&lagged["kind"], &lagged["missed"]), (&"lagged".into(), &Value::Null));
    assert_eq!(stranger.next().unwrap()["key"], "c.localhost");
}

#[test]
fn a_stream_ends_after_the_last_stopped() {
    let ostler = Ostler::serve(ANY);
    let mut events = Events::follow(ostler.admin, None);
    let hosts = ["a.localhost", "b.localhost", "c.localhost"];
    for host in hosts {
        get(ostler.switchboard, host, "/").with(200);
    }
    ostler.signal(Signal::TERM);
    let told: Vec<_> = std::iter::from_fn(|| events.next()).collect();
    let mut stopped: Vec<_> = told.iter().filter(|event| event["kind"] == "stopped").collect();
    stopped.sort_by_key(|event| event["key"].as_str());
    assert_eq!(stopped.iter().map(|event| &event["key"]).collect::<Vec<_>>(), hosts);
    assert_eq!(told.last().unwrap()["kind"], "stopped");
    assert_eq!(ostler.end().0, Some(143));
}
