//! More connections than there is room for.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::time::Instant;

use super::victim::{PATIENCE, Victim, until};
use crate::keep_alive::KeepAlive;

/// How many connections there is room for.
const ROOM: usize = 8;

fn settled(victim: &Victim) -> KeepAlive {
    let mut client = KeepAlive::new(victim.ostler.switchboard, "a.localhost").unwrap();
    is_served(&mut client);
    client
}

#[track_caller]
fn is_served(client: &mut KeepAlive) {
    assert_eq!(client.get("/ok").unwrap().unwrap().status, 200);
}

/// Whether a new client finds room.
fn finds_room(victim: &Victim) -> bool {
    let client = KeepAlive::new(victim.ostler.switchboard, "a.localhost");
    client.is_ok_and(|mut client| matches!(client.get("/ok"), Ok(Some(answer)) if answer.status == 200))
}

#[test]
fn one_client_too_many_is_told_503_and_those_within_are_served_all_the_same() {
    let victim = Victim::new(&format!("max_connections = {ROOM}"));
    let mut within: Vec<KeepAlive> = (0..ROOM).map(|_| settled(&victim)).collect();
    for _ in 0..3 * ROOM {
        let mut answer = String::new();
        victim.connect().read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer:?}");
    }
    within.iter_mut().for_each(is_served);
    victim.until_connections(ROOM);
    drop(within.pop());
    until("room for another", || finds_room(&victim));
    drop(within);
    victim.is_unharmed("gone");
    victim.end();
}

#[test]
fn a_storm_above_the_limit_is_refused_or_served_to_the_last_client_and_passes() {
    const CLIENTS: usize = 32;
    const TIMES: usize = 20;
    let victim = Victim::new(&format!("max_connections = {ROOM}"));
    let mut within: Vec<KeepAlive> = (0..ROOM / 2).map(|_| settled(&victim)).collect();
    let served = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| (0..TIMES).filter(|_| is_served_once(&victim)).count()))
            .collect();
        for _ in 0..TIMES {
            within.iter_mut().for_each(is_served);
        }
        clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    assert_ne!(served, 0, "half of the room was free");
    until("room for all", || {
        let clients: Vec<_> = (0..ROOM / 2).map(|_| finds_room(&victim)).collect();
        clients.iter().all(|found| *found)
    });
    drop(within);
    victim.is_unharmed("gone");
    victim.end();
}

/// Whether a client of the storm got its answer; if not, it has been told 503 or been reset.
fn is_served_once(victim: &Victim) -> bool {
    let mut stream = victim.connect();
    let request = b"GET /ok HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n";
    let mut answer = Vec::new();
    // What was sent to somebody who does not read it comes back as a reset.
    let _ = stream.write_all(request).and_then(|()| stream.read_to_end(&mut answer).map(drop));
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 503 ") || answer.ends_with("\r\n\r\nok"),
        "{answer:?}"
    );
    answer.ends_with("ok")
}

#[test]
fn without_file_descriptors_those_who_are_there_are_served_and_others_wait_for_their_turn() {
    const FREE: usize = 4;
    let victim = Victim::new("");
    let mut before = settled(&victim);
    let pid = i32::try_from(victim.ostler.pid()).unwrap();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let normal = getrlimit(Resource::Nofile);
    let limit = |limit| prlimit(Pid::from_raw(pid), Resource::Nofile, limit).unwrap();
    limit(Rlimit { current: Some((open + FREE) as u64), maximum: normal.maximum });
    let began = Instant::now();
    let idle: Vec<TcpStream> = (0..3 * FREE).map(|_| victim.connect()).collect();
    victim.ostler.has_said("accept_error");
    let mut waiting = victim.connect();
    waiting.write_all(b"GET /ok HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n").unwrap();
    for _ in 0..10 {
        is_served(&mut before);
    }
    drop(idle);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nok"), "{answer:?}");
    let took = began.elapsed();
    assert!(took < PATIENCE, "{took:?}");
    limit(normal);
    drop(before);
    victim.is_unharmed("gone");

    victim.ostler.signal(rustix::process::Signal::TERM);
    let (_, log) = victim.ostler.end();
    let tries = log.matches("accept_error").count() as u128;
    assert!(tries <= took.as_millis() / 50 + 2, "{tries} tries in {took:?} is a loop that spins");
}
