//! Streams that stay open, through the switchboard: WebSockets and event streams of real servers.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};

use futures::{SinkExt, StreamExt};
use rustix::process::Signal;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::binary::Ostler;
use crate::raw::{Events, admin, get, open};
use crate::stage::{SOON, echo, mark, node, nothing_is_left, serve, server};

pub(crate) type WebSocket = WebSocketStream<tokio::net::TcpStream>;

pub(crate) const BOTH: [&str; 2] = ["echo.localhost", "node.localhost"];

pub(crate) fn both(more: &str) -> String {
    [echo("echo.localhost", more), node("node.localhost", more)].concat()
}

pub(crate) async fn websocket(switchboard: SocketAddr, host: &str) -> WebSocket {
    let stream = tokio::net::TcpStream::connect(switchboard).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{host}/ws"), stream).await.unwrap();
    socket
}

pub(crate) async fn next(socket: &mut WebSocket) -> Message {
    socket.next().await.expect("it is open").unwrap()
}

/// An event stream of which the first event has come.
pub(crate) fn event_stream(ostler: &Ostler, host: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(open(
        ostler.switchboard,
        "GET",
        "/sse",
        &format!("Host: {host}\r\nConnection: close\r\n"),
    ));
    until_data(&mut stream).expect("a first event");
    stream
}

/// The next event; None when the stream ends.
fn until_data(stream: &mut BufReader<TcpStream>) -> Option<String> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(data) = line.strip_prefix("data: ") {
            return Some(data.trim_end().to_owned());
        }
    }
}

fn generation(ostler: &Ostler, host: &str) -> serde_json::Value {
    server(ostler, host)["generation"].clone()
}

#[tokio::test]
async fn a_websocket_carries_fragments_large_messages_and_pings() {
    let ostler = serve("", "", &both(""));
    for host in BOTH {
        let mut socket = websocket(ostler.switchboard, host).await;
        let whole = "fragmented, ".repeat(1000);
        let parts: Vec<_> = whole.as_bytes().chunks(5_000).collect();
        for (at, part) in parts.iter().enumerate() {
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(part.to_vec(), OpCode::Data(kind), at + 1 == parts.len());
            socket.send(Message::Frame(frame)).await.unwrap();
        }
        assert_eq!(next(&mut socket).await, Message::text(whole), "{host}");

        let large: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        socket.send(Message::binary(large.clone())).await.unwrap();
        assert!(next(&mut socket).await == Message::binary(large), "{host}");

        socket.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::Pong("are you there".into()), "{host}");

        socket.close(None).await.unwrap();
        while let Some(message) = socket.next().await {
            assert!(matches!(message.unwrap(), Message::Close(_)), "{host}");
        }
    }
}

#[test]
fn events_come_one_by_one_as_they_are_sent() {
    let ostler = serve("", "", &both(""));
    let mut ticking = event_stream(&ostler, "echo.localhost");
    let mut on_demand = event_stream(&ostler, "node.localhost");
    for _ in 0..5 {
        get(ostler.switchboard, "node.localhost", "/tick").with(200);
        assert_eq!(until_data(&mut on_demand).unwrap(), "tick");
    }
    until_data(&mut ticking).expect("the next tick of a clock");
}

#[tokio::test]
async fn an_open_stream_is_use_that_no_idle_timeout_cuts() {
    let more = "idle_timeout = \"200ms\"";
    let ostler = serve("", "", &[both(more), echo("other.localhost", more)].concat());
    let mut told = Events::follow(ostler.admin, None);
    let mut sockets = Vec::new();
    let mut streams = Vec::new();
    for host in BOTH {
        sockets.push(websocket(ostler.switchboard, host).await);
    }
    let mut streaming = event_stream(&ostler, "node.localhost");
    streams.push(event_stream(&ostler, "echo.localhost"));
    let before = BOTH.map(|host| generation(&ostler, host));
    // Another one is idle for long enough, twice.
    for _ in 0..2 {
        get(ostler.switchboard, "other.localhost", "/").with(200);
        let evicted = told.next_of("evicted");
        assert_eq!((&evicted["key"], &evicted["cause"]), (&"other.localhost".into(), &"idle".into()));
    }
    assert_eq!(BOTH.map(|host| generation(&ostler, host)), before);
    for socket in &mut sockets {
        socket.send(Message::text("still there?")).await.unwrap();
        assert_eq!(next(socket).await, Message::text("still there?"));
    }
    get(ostler.switchboard, "node.localhost", "/tick").with(200);
    assert_eq!(until_data(&mut streaming).unwrap(), "tick");

    drop((sockets, streams, streaming));
    let mut idle = [told.next_of("evicted"), told.next_of("evicted")].map(|event| event["key"].clone());
    idle.sort_by_key(ToString::to_string);
    assert_eq!(idle, BOTH, "and then it is over");
}

#[tokio::test]
async fn stop_ends_open_streams_at_once_and_whole_and_the_next_request_starts_another() {
    let ostler = serve("", "", &both("drain_timeout = \"1h\""));
    for host in BOTH {
        let mut stream = event_stream(&ostler, host);
        let mut socket = websocket(ostler.switchboard, host).await;
        let before = generation(&ostler, host);
        let (admin_address, path) = (ostler.admin, format!("/servers/{host}"));
        let stopping = std::thread::spawn(move || admin(admin_address, "DELETE", &path).with(200).json());
        let Message::Close(Some(close)) = next(&mut socket).await else { panic!("not told") };
        assert_eq!(close.code, CloseCode::Away);
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
        drop(socket);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "{host}: {rest:?}");
        let stopped = stopping.join().unwrap();
        assert_eq!(stopped["generation"], before);
        get(ostler.switchboard, host, "/").with(200);
        assert_ne!(generation(&ostler, host), before, "{host}");
    }
}

#[tokio::test]
async fn on_sigterm_a_websocket_is_told_and_an_event_stream_ends_whole() {
    let ostler = serve("", "", &both(""));
    let mark = mark(&ostler, "node.localhost");
    let mut sockets = Vec::new();
    for host in BOTH {
        sockets.push(websocket(ostler.switchboard, host).await);
    }
    let streams = BOTH.map(|host| event_stream(&ostler, host));
    ostler.signal(Signal::TERM);
    for socket in &mut sockets {
        let Message::Close(Some(close)) = next(socket).await else { panic!("not told") };
        assert_eq!(close.code, CloseCode::Away);
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    }
    // The sockets stay open: their clients have done their part and wait for the server to close.
    for mut stream in streams {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    }
    let (code, log, directory) = ostler.end_with_directory();
    assert_eq!(code, Some(143), "{log}");
    nothing_is_left(&directory, &mark, SOON);
    drop(sockets);
}
