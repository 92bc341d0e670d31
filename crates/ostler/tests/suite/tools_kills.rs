//! A booking whose store's system calls do not go as they should: a kill at every write to the disk, no room on it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler};
use crate::raw::admin;
use crate::tools::{answers, assert_booked, call, endpoint, killed, trip, try_call, up};

/// More writes than a booking has.
const MANY: u32 = 40;

/// Has system calls of a process go otherwise, as long as it lives.
struct Trap(Child);

impl Trap {
    /// Kills `ostler` as it begins to bring its `nth` write from now on to the disk, before anybody can know that it is there.
    fn kill_at(ostler: &Ostler, nth: u32) -> Self {
        Self::set(ostler, "fdatasync,fsync", &format!("signal=KILL:when={nth}"))
    }

    /// Has the disk say that it is full.
    fn no_room(ostler: &Ostler) -> Self {
        Self::set(ostler, "pwrite64", "error=ENOSPC")
    }

    fn set(ostler: &Ostler, calls: &str, fault: &str) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-e", &format!("trace={calls}"), "-p", &ostler.pid().to_string(), "-e"])
            .arg(format!("inject={calls}:{fault}"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("strace: {error}; install the package of that name"));
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("attached") {
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "strace cannot attach: {line}");
        }
        // What else it says is of no interest, and must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self(strace)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        // Lets go of what it traces.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// A client that asks again, of the next Ostler on the same store, when the one it has asked is gone.
struct Persistent {
    ostler: Option<Ostler>,
    address: SocketAddr,
    deaths: u32,
}

impl Persistent {
    fn new(ostler: Ostler) -> Self {
        Self { address: endpoint(&ostler), ostler: Some(ostler), deaths: 0 }
    }

    fn call(&mut self, params: &Value) -> Value {
        loop {
            if let Ok(message) = try_call(self.address, "book_flight", params.clone()) {
                assert!(message.get("result").is_some(), "{message}");
                return message["result"].clone();
            }
            self.deaths += 1;
            assert!(self.deaths < 2, "it died of something else");
            let directory = killed(self.ostler.take().unwrap());
            let ostler = up(directory);
            self.address = endpoint(&ostler);
            self.ostler = Some(ostler);
        }
    }
}

#[test]
fn a_booking_comes_to_the_same_end_after_a_kill_at_each_of_its_writes() {
    let mut unknown = 0;
    for nth in 1..MANY {
        let ostler = up(Directory::new());
        let trap = Trap::kill_at(&ostler, nth);
        let mut client = Persistent::new(ostler);
        let mut reply = client.call(&json!({ "arguments": trip() }));
        let mut rounds = 0;
        while reply["resultType"] == "input_required" {
            rounds += 1;
            assert!(rounds < 4, "{reply}");
            let state = &reply["requestState"];
            let params =
                json!({ "arguments": trip(), "requestState": state, "inputResponses": answers(&reply) });
            reply = client.call(&params);
        }
        drop(trap);
        if reply["isError"] == true {
            // It was about to pay, and nobody knows whether it has: it is not done again.
            let text = reply["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("`book`") && client.deaths == 1, "{reply}");
            unknown += 1;
        } else {
            assert_booked(&reply);
        }
        if client.deaths == 0 {
            assert!(nth > 4, "there are more writes than {nth}");
            assert!(unknown <= 1, "{unknown}");
            return;
        }
    }
    panic!("a booking has more than {MANY} writes");
}

/// A call that cannot be recorded: what its client is told.
fn refused(address: SocketAddr, params: Value) {
    let message = try_call(address, "book_flight", params).unwrap();
    assert_eq!(message["error"]["code"], -32603, "{message}");
    let told = message["error"]["message"].as_str().unwrap();
    assert!(told.contains("try again"), "{message}");
}

#[test]
fn on_a_full_disk_calls_are_refused_and_once_there_is_room_they_go_on() {
    let ostler = up(Directory::new());
    let address = endpoint(&ostler);
    let asked = call(address, "book_flight", json!({ "arguments": trip() }));
    let answer = json!({
        "arguments": trip(), "requestState": asked["requestState"], "inputResponses": answers(&asked) });

    let full = Trap::no_room(&ostler);
    refused(address, json!({ "arguments": trip() }));
    refused(address, answer.clone());
    // What writes nothing is not concerned.
    let said = call(address, "echo", json!({ "arguments": { "text": "still here" } }));
    assert_eq!(said["content"][0]["text"], "still here", "{said}");
    ostler.has_said("no room");
    let metrics = admin(ostler.admin, "GET", "/metrics").with(200).body;
    assert!(metrics.contains("ostler_store_failures_total 2"), "{metrics}");
    drop(full);

    let second = call(address, "book_flight", answer);
    let state = &second["requestState"];
    let last = json!({ "arguments": trip(), "requestState": state, "inputResponses": answers(&second) });
    assert_booked(&call(address, "book_flight", last));
}
