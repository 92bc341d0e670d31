//! A booking with a kill at every write of its journal to the disk.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler};
use crate::tools::{answers, assert_booked, endpoint, killed, trip, try_call, up};

/// More writes than a booking has.
const MANY: u32 = 40;

/// Has a process killed as it enters a system call: a cut at that very place.
struct Trap(Child);

impl Trap {
    /// Kills `ostler` as it begins to bring its `nth` write from now on to the disk, before anybody can know that it is there.
    fn set(ostler: &Ostler, nth: u32) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-e", "trace=fdatasync,fsync", "-p", &ostler.pid().to_string(), "-e"])
            .arg(format!("inject=fdatasync,fsync:signal=KILL:when={nth}"))
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
        let trap = Trap::set(&ostler, nth);
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
