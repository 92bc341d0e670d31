//! A client with a session comes back to a server that was killed, wherever it was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Directory, Ostler, free_ports};
use crate::raw::admin;
use crate::tools::{assert_booked, trip};

/// A client, as far as it has come.
struct Client {
    port: u16,
    session: String,
}

/// An event: its id, and the message in it.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    message: Value,
}

/// The events of a response, as they come.
struct Events(BufReader<TcpStream>);

impl Client {
    fn open(port: u16) -> Self {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "elicitation": {}, "sampling": {} },
            "clientInfo": { "name": "test", "version": "0" },
        });
        let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let mut client = Self { port, session: String::new() };
        let (head, _) = client.post(&message).unwrap();
        let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        client.session = session.unwrap_or_else(|| panic!("{head}")).to_owned();
        client
    }

    /// Sends a request, and reads the head of what is answered; None if there is nobody.
    fn send(&self, verb: &str, more: &str, body: &str) -> Option<(String, BufReader<TcpStream>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut request = format!(
            "{verb} /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n{more}",
            body.len()
        );
        if !self.session.is_empty() {
            request.push_str(&format!("mcp-session-id: {}\r\n", self.session));
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some((head, reader))
    }

    fn post(&self, message: &Value) -> Option<(String, String)> {
        let (head, mut reader) = self.send("POST", "", &message.to_string())?;
        let mut body = String::new();
        reader.read_to_string(&mut body).ok()?;
        Some((head, body))
    }

    fn call(&self, tool: &str, arguments: Value) -> Events {
        let meta = json!({ "progressToken": "p" });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        Events(self.send("POST", "", &message.to_string()).unwrap().1)
    }

    fn resume(&self, last: &str) -> Events {
        let (head, reader) = self.send("GET", &format!("last-event-id: {last}\r\n"), "").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Events(reader)
    }

    /// Answers what an event asks. Whether that was taken.
    fn answer(&self, event: &Event) -> bool {
        let message = &event.message;
        let result = match message["method"].as_str() {
            Some("sampling/createMessage") => {
                let content = json!({ "type": "text", "text": "the old town" });
                json!({ "role": "assistant", "content": content, "model": "test" })
            }
            Some("elicitation/create") => {
                let flight = message["params"]["requestedSchema"]["properties"].get("flight").is_some();
                let content = if flight {
                    json!({ "flight": "RO243" })
                } else {
                    json!({ "seat": "window", "meal": true })
                };
                json!({ "action": "accept", "content": content })
            }
            _ => return true,
        };
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        self.post(&answer).is_some_and(|(head, _)| head.starts_with("HTTP/1.1 202"))
    }
}

impl Iterator for Events {
    type Item = Event;

    /// The next one that says something; None at the end of the response, however that comes.
    fn next(&mut self) -> Option<Event> {
        loop {
            let mut size = String::new();
            self.0.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk).ok()?;
            let chunk = String::from_utf8(chunk).unwrap();
            let field =
                |name: &str| chunk.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(id) = field("id: ") {
                let message = serde_json::from_str(&field("data: ").unwrap_or_default()).unwrap_or_default();
                return Some(Event { id, message });
            }
        }
    }
}

fn up(directory: Directory, port: u16) -> Ostler {
    up_with(directory, port, None)
}

/// With a key of the configuration as the environment has it.
fn up_with(directory: Directory, port: u16, key: Option<(&str, &str)>) -> Ostler {
    let mcp = format!("127.0.0.1:{port}");
    let listen = [
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", &mcp),
    ];
    let environment: Vec<_> = listen.into_iter().chain(key).collect();
    Ostler::up(directory, &["up"], &environment)
}

/// When the server is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Death {
    /// Behind so many events, the last of which is not answered.
    Heard(usize),
    /// The same, and it is answered.
    Answered(usize),
    Never,
}

/// Books with a death, and gives everything that was told, in order.
fn book(death: Death) -> Vec<Event> {
    let port = free_ports();
    let mut ostler = up(Directory::new(), port);
    let client = Client::open(port);
    let mut events = client.call("book_flight", trip());
    let mut told: Vec<Event> = Vec::new();
    let mut died = false;
    loop {
        let Some(event) = events.next() else {
            let last = told.last().expect("the call goes on behind its first event").id.clone();
            events = client.resume(&last);
            continue;
        };
        told.push(event.clone());
        let over = event.message.get("result").is_some();
        let heard = Death::Heard(told.len()) == death;
        if !heard {
            client.answer(&event);
        }
        if !died && !over && (heard || Death::Answered(told.len()) == death) {
            died = true;
            ostler.signal(Signal::KILL);
            ostler = up(ostler.end_with_directory().2, port);
            if heard {
                assert!(client.answer(&event), "{death:?}: {event:?}");
            }
            events = client.resume(&event.id);
        }
        if over {
            drop(ostler);
            return told;
        }
    }
}

#[test]
fn a_booking_is_finished_over_a_death_between_any_two_events_and_none_is_lost_or_told_twice() {
    let whole = book(Death::Never);
    assert_booked(&whole.last().unwrap().message["result"]);
    assert_eq!(whole.last().unwrap().message["id"], 7);
    // The one that says where the stream begins, three questions and the result at least.
    assert!(whole.len() >= 5, "{whole:?}");
    let numbers = |events: &[Event]| -> Vec<u64> {
        events.iter().map(|event| event.id.rsplit_once('.').unwrap().1.parse().unwrap()).collect()
    };
    // What is told, without what tells one session from another.
    let said = |events: &[Event]| -> Vec<String> {
        let said = |event: &Event| match event.message.get("params") {
            Some(params) => params.to_string(),
            None => event.message["result"]["structuredContent"]["flight"].to_string(),
        };
        events.iter().map(said).collect()
    };
    for behind in 1..whole.len() {
        for death in [Death::Heard(behind), Death::Answered(behind)] {
            let told = book(death);
            assert_booked(&told.last().unwrap().message["result"]);
            let own = numbers(&told);
            assert!(own.is_sorted_by(|one, next| one < next), "{death:?}: {own:?}");
            assert_eq!(own, numbers(&whole), "{death:?}");
            assert_eq!(said(&told), said(&whole), "{death:?}");
        }
    }
}

#[test]
fn a_call_tells_no_more_than_max_events_and_the_rest_is_counted() {
    let port = free_ports();
    let ostler = up_with(Directory::new(), port, Some(("OSTLER_TOOLS__MAX_EVENTS", "1")));
    let client = Client::open(port);
    let events = client.call("slow_report", json!({ "topic": "horses", "sections": 3 }));
    let mut told = Vec::new();
    for event in events {
        if event.message.get("result").is_some() {
            break;
        }
        told.extend(event.message["params"].get("progress").cloned());
    }
    assert_eq!(told, [json!(1)]);
    let metrics = admin(ostler.admin, "GET", "/metrics").with(200).body;
    assert!(metrics.lines().any(|line| line == "ostler_tools_untold_total 2"), "{metrics}");
}
