//! Replacements under load: no request fails.

use ostler::Address;
use rustix::process::Signal;

use crate::binary::{Directory, Ostler};
use crate::keep_alive::{Load, Seen};
use crate::lineage::{Successor, adopt_orphans, replace};
use crate::stage::{echo, node, serve};

const CLIENTS: usize = 64;
const REPLACEMENTS: usize = 3;

/// Replaces again and again, and gives what clients saw and the last one.
fn replaced_under_load(mut ostler: Ostler, address: Address) -> (Seen, Ostler, Successor) {
    let load = Load::on(address, "a.localhost", CLIENTS);
    let mut last: Option<Successor> = None;
    for _ in 0..REPLACEMENTS {
        load.goes_on_for(10 * CLIENTS);
        let next = replace(&ostler);
        load.goes_on_for(10 * CLIENTS);
        let code = match last.replace(next) {
            None => ostler.exited(),
            Some(before) => before.exited(),
        };
        assert_eq!(code, Some(0));
    }
    load.goes_on_for(10 * CLIENTS);
    (load.stop(), ostler, last.unwrap())
}

#[track_caller]
fn nothing_failed(seen: &Seen) {
    assert_eq!((seen.unanswered, &seen.cut, &seen.refused), (0, &vec![], &vec![]));
    assert!(seen.answers.iter().all(|answer| answer.status == 200));
    let told_to_come_back = seen.answers.iter().filter(|answer| !answer.stays).count();
    assert!(told_to_come_back >= CLIENTS, "every connection has been closed: {told_to_come_back}");
}

#[test]
fn no_request_over_tcp_fails() {
    adopt_orphans();
    let ostler = serve("", "", &echo("a.localhost", ""));
    let address = ostler.switchboard.into();
    let (seen, _ostler, successor) = replaced_under_load(ostler, address);
    nothing_failed(&seen);
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}

#[test]
fn no_request_over_a_unix_socket_fails_and_each_successor_starts_its_own_processes() {
    adopt_orphans();
    let directory = Directory::new();
    let socket = directory.path("s.sock");
    directory.write(
        "ostler.toml",
        &format!(
            "[switchboard]\nlisten = \"unix:{socket}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[pool]\nbase_port = {}\n{}",
            crate::binary::free_ports(),
            node("a.localhost", "")
        ),
    );
    let ostler = Ostler::up(directory, &["up"], &[]);
    let (seen, _ostler, successor) = replaced_under_load(ostler, Address::Unix(socket.into()));
    nothing_failed(&seen);
    let servers: std::collections::BTreeSet<_> = seen.answers.iter().map(|answer| &answer.body).collect();
    assert_eq!(servers.len(), 1 + REPLACEMENTS, "{servers:?}");
    assert_eq!(successor.ended_by(Signal::TERM), Some(143));
}
