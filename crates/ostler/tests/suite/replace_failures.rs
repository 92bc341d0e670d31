//! A successor that does not come to serve: everything is as before, everybody is told why, and nothing is left of it.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::Signal;

use crate::binary::{Directory, Ostler, PROGRAM};
use crate::lineage::{
    Successor, adopt_orphans, configure, install, install_script, installed, installed_in, replace,
};
use crate::raw::{Events, Stuck, admin, get};
use crate::stage::{SOON, carrying, echo, ends_within};

/// The processes that belong to a test, by its runtime directory: Ostler and its guard.
fn processes(ostler: &Ostler) -> Vec<i32> {
    let mut processes = carrying(&ostler.directory.path("run"));
    processes.sort_unstable();
    processes
}

/// Asserts that the same processes as before run, and serve.
#[track_caller]
fn is_as_before(ostler: &Ostler, before: &[i32]) {
    for pid in processes(ostler) {
        if !before.contains(&pid) {
            // The guard of a successor outlives it for a moment.
            ends_within(pid, SOON);
        }
    }
    assert_eq!(processes(ostler), before);
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(admin(ostler.admin, "GET", "/readyz").status, 200);
    let runtime = fs::read_dir(ostler.directory.path("run")).unwrap().count();
    assert_eq!(runtime, 1, "the runtime directory of the one that serves");
}

/// Replaces once more, by a program that works, and ends that one.
#[track_caller]
fn can_still_be_replaced(mut ostler: Ostler) {
    let successor = replace(&ostler);
    assert_eq!(ostler.exited(), Some(0));
    get(ostler.switchboard, "a.localhost", "/").with(200);
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}

#[test]
fn a_wrong_configuration_is_shown_to_who_asked_and_changes_nothing() {
    adopt_orphans();
    let ostler = installed("", &echo("a.localhost", ""));
    let before = processes(&ostler);
    let mut events = Events::follow(ostler.admin, None);
    ostler.directory.write("ostler.toml", "[pool]\nmax_servrs = 5\n");
    ostler
        .ask(&["replace"])
        .with(2)
        .complains("not replaced, the configuration is wrong")
        .complains("ostler.toml:2")
        .complains("did you mean `max_servers`?");
    assert!(events.next_of("replacement_started")["pid"].is_u64());
    let error = events.next_of("replacement_failed")["error"].clone();
    assert!(error.as_str().unwrap().contains("max_servrs"), "{error}");
    let metrics = admin(ostler.admin, "GET", "/metrics").body;
    assert!(metrics.contains("ostler_replacements_total{outcome=\"failed\"} 1"), "{metrics}");
    is_as_before(&ostler, &before);
    configure(&ostler.directory, "", &echo("a.localhost", ""));
    can_still_be_replaced(ostler);
}

#[test]
fn an_address_that_cannot_be_listened_on_is_named() {
    adopt_orphans();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ostler = installed("", &echo("a.localhost", ""));
    let before = processes(&ostler);
    let config = fs::read_to_string(ostler.directory.path("ostler.toml")).unwrap();
    let both = format!("[\"127.0.0.1:0\", \"{address}\"]");
    ostler.directory.write("ostler.toml", &config.replacen("[\"127.0.0.1:0\"]", &both, 1));
    ostler
        .ask(&["replace"])
        .with(1)
        .complains(&format!("not replaced: cannot listen on {address} (`switchboard.listen`)"));
    is_as_before(&ostler, &before);
    drop(taken);
    can_still_be_replaced(ostler);
}

#[test]
fn a_program_that_ends_or_is_not_there_is_told_with_its_status() {
    adopt_orphans();
    let ostler = installed("", &echo("a.localhost", ""));
    let before = processes(&ostler);
    for (script, told) in [
        ("exit 7", "ended with exit status: 7 before it served"),
        ("kill -SEGV $$", "ended with signal: 11"),
        ("echo hello >&0; sleep 60", "does not answer as an Ostler that can take over"),
    ] {
        install_script(&ostler.directory, script);
        ostler.ask(&["replace"]).with(1).complains(told);
        is_as_before(&ostler, &before);
    }
    fs::remove_file(ostler.directory.path("bin")).unwrap();
    ostler.ask(&["replace"]).with(1).complains("cannot start").complains("No such file");
    is_as_before(&ostler, &before);
    install_script(&ostler.directory, "");
    install(&ostler.directory);
    can_still_be_replaced(ostler);
}

#[test]
fn a_successor_that_takes_too_long_is_ended() {
    adopt_orphans();
    let ostler = installed("replace_timeout = \"200ms\"", &echo("a.localhost", ""));
    let before = processes(&ostler);
    install_script(&ostler.directory, "exec sleep 60");
    ostler.ask(&["replace"]).with(1).complains("does not serve after 200").complains("goes on");
    is_as_before(&ostler, &before);
    install(&ostler.directory);
    can_still_be_replaced(ostler);
}

#[test]
fn a_successor_that_comes_too_late_ends_by_itself() {
    adopt_orphans();
    let directory = Directory::new();
    let socket = directory.path("s.sock");
    let ostler = installed_in(
        directory,
        "replace_timeout = \"100ms\"",
        &echo("a.localhost", ""),
        &[&format!("unix:{socket}")],
    );
    let before = processes(&ostler);
    let late = ostler.directory.path("late");
    // It begins when it has been given up, and finds nobody who would put it in charge.
    install_script(&ostler.directory, &format!("sleep 0.3; touch {late}; exec {PROGRAM} \"$@\""));
    ostler.ask(&["replace"]).with(1).complains("does not serve after 100");
    assert!(fs::exists(late).unwrap());
    assert!(fs::exists(&socket).unwrap(), "the file is not its own");
    is_as_before(&ostler, &before);
    ostler.signal(Signal::TERM);
    let (code, log, _directory) = ostler.end_with_directory();
    assert_eq!(code, Some(143));
    assert!(!fs::exists(socket).unwrap());
    assert!(log.contains("the running Ostler has broken off the replacement"), "{log}");
}

/// A successor that begins when the file `go` is there.
fn waiting(ostler: &Ostler) {
    let go = ostler.directory.path("go");
    install_script(
        &ostler.directory,
        &format!("while [ ! -e {go} ]; do sleep 0.02; done; exec {PROGRAM} \"$@\""),
    );
}

#[test]
fn a_second_request_during_a_replacement_is_refused_and_the_first_goes_on() {
    adopt_orphans();
    let stuck = Stuck::new();
    let mut ostler = installed("", &[echo("a.localhost", ""), stuck.server()].concat());
    let (client, server) = stuck.request(ostler.switchboard);
    let mut events = Events::follow(ostler.admin, None);
    waiting(&ostler);
    ostler.signal(Signal::USR2);
    events.next_of("replacement_started");
    ostler.signal(Signal::USR2);
    ostler.has_said("a replacement is under way");
    ostler.ask(&["replace"]).with(1).complains("a replacement is under way");
    let refused = admin(ostler.admin, "POST", "/replace").with(409);
    refused.is_problem("replacement-refused");
    get(ostler.switchboard, "a.localhost", "/").with(200);

    ostler.directory.write("go", "");
    let successor = Successor::with_pid(&events.next_of("replaced")["pid"]);
    // The one before still has a request in flight.
    ostler.signal(Signal::USR2);
    ostler.has_said("a successor has taken over already");
    drop((client, server));
    assert_eq!(ostler.exited(), Some(0));
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}

#[test]
fn an_end_during_a_replacement_ends_both() {
    adopt_orphans();
    let mut ostler = installed("", &echo("a.localhost", ""));
    waiting(&ostler);
    let mut events = Events::follow(ostler.admin, None);
    ostler.signal(Signal::USR2);
    let successor = events.next_of("replacement_started")["pid"].as_i64().unwrap();
    ostler.signal(Signal::TERM);
    assert_eq!(ostler.exited(), Some(143));
    ends_within(successor.try_into().unwrap(), SOON);
    assert_eq!(processes(&ostler), [0; 0]);
}

#[test]
fn a_drain_during_a_replacement_is_not_undone_by_it() {
    adopt_orphans();
    let stuck = Stuck::new();
    let mut ostler = installed("", &[echo("a.localhost", ""), stuck.server()].concat());
    let in_flight = stuck.request(ostler.switchboard);
    waiting(&ostler);
    let mut events = Events::follow(ostler.admin, None);
    ostler.signal(Signal::USR2);
    events.next_of("replacement_started");
    let mut draining =
        ostler.command(&["drain"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    ostler.has_said("drain requested");
    ostler.directory.write("go", "");
    assert_eq!(events.next_of("replacement_failed")["error"], "Ostler ends");
    admin(ostler.admin, "POST", "/replace").with(409);
    drop(in_flight);
    assert!(draining.wait().unwrap().success());
    assert_eq!(ostler.exited(), Some(0));
    assert_eq!(processes(&ostler), [0; 0]);
}

#[test]
fn a_kill_during_a_replacement_ends_the_successor_too() {
    adopt_orphans();
    let mut ostler = installed("", &echo("a.localhost", ""));
    waiting(&ostler);
    let mut events = Events::follow(ostler.admin, None);
    ostler.signal(Signal::USR2);
    let successor = Successor::with_pid(&events.next_of("replacement_started")["pid"]);
    ostler.signal(Signal::KILL);
    assert_eq!(ostler.exited(), None);
    ostler.directory.write("go", "");
    assert_eq!(successor.exited(), Some(1));
    for pid in processes(&ostler) {
        ends_within(pid, SOON);
    }
    let (_, log) = ostler.end();
    assert!(log.contains("the running Ostler has broken off the replacement"), "{log}");
}

#[test]
fn the_variable_of_a_handover_without_one_is_told() {
    let directory = Directory::new();
    directory.run(&["up"], &[("OSTLER_HANDOVER", "stdin")]).with(1).complains("it is for Ostler's own use");
}
