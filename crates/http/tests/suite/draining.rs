//! What a drain does to each kind of connection: every event, and what becomes of the socket.

use std::io::ErrorKind;
use std::time::Duration;

use ostler_http::{Cut, Drain, EventKind, Phase, Remaining, ServerConfig, ServerHandle, State};
use ostler_scope::Deadline;
use ostler_testing::{Client, PATIENCE};
use tokio::task::JoinHandle;

use crate::stage::{Stage, get};

const SHORT: Duration = Duration::from_millis(100);
const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: x\r\n";

fn drain(server: &ServerHandle, within: Duration) -> JoinHandle<Drain> {
    let server = server.clone();
    tokio::spawn(async move { server.drain(Deadline::after(within)).await })
}

async fn reaches(server: &ServerHandle, state: State) {
    let reaching = async {
        while server.state() < state {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reaching).await.expect("it does not get there");
}

fn one(phase: Phase) -> Remaining {
    Remaining([(phase, 1)].into())
}

/// Drains what has one connection in `phase` that outlasts the deadline.
async fn cut(stage: Stage, mut client: Client, phase: Phase) {
    let expected = Drain::TimedOut(Cut { remaining: one(phase), aborted: 1, stuck: 0 });
    assert_eq!(stage.server.drain(Deadline::after(SHORT)).await, expected);
    assert_eq!(stage.server.wait().await, expected);
    let reset = client.read_to_close().await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    // The scope reports the cut once more, for whoever only sees its end.
    assert!(stage.scope.halt().await.error.is_some());
    let aborted = EventKind::ConnectionAborted { phase };
    assert_eq!(stage.record.all(), [aborted, EventKind::ShutdownTimedOut { remaining: one(phase) }]);
}

/// Asserts that all went well, and that nothing but `events` was told.
async fn whole(stage: Stage, drained: JoinHandle<Drain>, responses: u64, events: &[EventKind]) {
    let drain = drained.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served, .. } if served == responses), "{drain}");
    assert_eq!(stage.server.wait().await, drain);
    assert!(stage.scope.halt().await.error.is_none());
    assert_eq!(stage.record.all(), events);
}

#[tokio::test]
async fn idle_connections_are_closed_at_once_whether_they_have_asked_before_or_not() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut silent = stage.client().await;
    let mut idle = stage.client().await;
    idle.send(get("/")).await;
    idle.read_to("ok").await;
    let drained = drain(&stage.server, PATIENCE);
    assert_eq!(silent.read_to_close().await.unwrap(), "");
    assert_eq!(idle.read_to_close().await.unwrap(), "");
    whole(stage, drained, 1, &[EventKind::ConnectionClosed, EventKind::ConnectionClosed]).await;
}

/// A client that has sent half a head.
async fn half_a_head(config: ServerConfig) -> (Stage, Client) {
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    while stage.server.phases() != one(Phase::Head) {
        tokio::task::yield_now().await;
    }
    (stage, client)
}

#[tokio::test]
async fn a_head_that_is_finished_in_time_is_answered_and_the_answer_closes() {
    let (stage, mut client) = half_a_head(ServerConfig::default()).await;
    let drained = drain(&stage.server, PATIENCE);
    reaches(&stage.server, State::Draining).await;
    client.send("st: x\r\n\r\n").await;
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("ok"), "{answer}");
    whole(stage, drained, 1, &[EventKind::ConnectionClosed]).await;
}

/// The first bytes of it came with the request before.
#[tokio::test]
async fn a_pipelined_head_that_is_finished_in_time_is_answered_and_the_answer_closes() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/") + "GET / HTTP/1.1\r\nHo").await;
    client.read_to("ok").await;
    let drained = drain(&stage.server, PATIENCE);
    while stage.server.phases() != one(Phase::Head) {
        tokio::task::yield_now().await;
    }
    client.send("st: x\r\n\r\n").await;
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("ok"), "{answer}");
    whole(stage, drained, 2, &[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn an_empty_line_behind_a_request_is_no_head() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/") + "\r\n").await;
    client.read_to("ok").await;
    let drained = drain(&stage.server, PATIENCE);
    assert_eq!(client.read_to_close().await.unwrap(), "");
    whole(stage, drained, 1, &[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_head_that_is_not_finished_keeps_a_drain_no_longer_than_its_own_deadline() {
    let config = ServerConfig { header_timeout: SHORT, ..ServerConfig::default() };
    let (stage, mut client) = half_a_head(config).await;
    let drained = drain(&stage.server, PATIENCE);
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    drop(client);
    whole(stage, drained, 0, &[EventKind::HeaderTimeout]).await;
}

#[tokio::test]
async fn a_head_that_is_not_finished_by_the_deadline_is_reset() {
    let (stage, client) = half_a_head(ServerConfig::default()).await;
    cut(stage, client, Phase::Head).await;
}

#[tokio::test]
async fn a_handler_learns_of_the_drain_and_its_answer_closes() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/token")).await;
    stage.cues.entered.notified().await;
    let drained = drain(&stage.server, PATIENCE);
    let answer = client.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("ok"), "{answer}");
    whole(stage, drained, 1, &[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_handler_that_outlasts_the_deadline_is_cut() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/slow")).await;
    stage.cues.entered.notified().await;
    cut(stage, client, Phase::Handler).await;
}

#[tokio::test]
async fn an_event_stream_that_listens_to_the_drain_ends_with_its_last_chunk() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/events")).await;
    client.read_to("hello\n\n").await;
    let drained = drain(&stage.server, PATIENCE);
    assert_eq!(client.read_to_close().await.unwrap(), "\r\n0\r\n\r\n");
    whole(stage, drained, 1, &[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_stream_without_end_is_cut() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(get("/chunks")).await;
    stage.stream(crate::stage::Piece::Bytes("hello"));
    client.read_to("hello\r\n").await;
    cut(stage, client, Phase::Body).await;
}

#[tokio::test]
async fn an_upgraded_connection_is_asked_to_end_and_ends() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    client.send(format!("GET /upgrade HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n")).await;
    client.read_to("\r\n\r\n").await;
    stage.cues.entered.notified().await;
    let drained = drain(&stage.server, PATIENCE);
    assert_eq!(client.read_to_close().await.unwrap(), "");
    whole(stage, drained, 1, &[EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn an_upgraded_connection_or_a_tunnel_that_goes_on_is_reset() {
    let upgrade = format!("GET /tunnel HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n");
    for request in [upgrade.as_str(), "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"] {
        let stage = Stage::new(ServerConfig::default()).await;
        let mut client = stage.client().await;
        client.send(request).await;
        client.read_to("\r\n\r\n").await;
        stage.cues.entered.notified().await;
        cut(stage, client, Phase::Upgraded).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_delays_no_drain_even_without_bounds_of_its_own() {
    let config = ServerConfig { write_timeout: None, min_send_rate: None, ..ServerConfig::default() };
    let stage = Stage::new(config).await;
    let mut client = stage.client().await;
    client.send(get("/big")).await;
    client.read_bytes(64 * 1024).await;
    let started = tokio::time::Instant::now();
    let drained = drain(&stage.server, 3 * SHORT);
    let sipping = async {
        while !drained.is_finished() {
            client.read_bytes(4096).await;
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, sipping).await.expect("the drain waits for the client");
    let expected = Drain::TimedOut(Cut { remaining: one(Phase::Body), aborted: 1, stuck: 0 });
    assert_eq!(drained.await.unwrap(), expected);
    assert!(started.elapsed() < 3 * SHORT + Duration::from_secs(1), "{:?}", started.elapsed());
    let reset = client.read_to_close().await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert!(stage.scope.halt().await.error.is_some());
    let aborted = EventKind::ConnectionAborted { phase: Phase::Body };
    let timed_out = EventKind::ShutdownTimedOut { remaining: one(Phase::Body) };
    assert_eq!(stage.record.all(), [aborted, timed_out]);
}

#[tokio::test]
async fn a_request_behind_the_one_that_is_answered_last_is_dropped_and_counted() {
    let stage = Stage::new(ServerConfig::default()).await;
    let mut client = stage.client().await;
    let next = get("/next");
    client.send(get("/slow") + &next).await;
    stage.cues.entered.notified().await;
    let drained = drain(&stage.server, PATIENCE);
    reaches(&stage.server, State::Draining).await;
    stage.cues.release.notify_one();
    let answer = client.read_to_close().await.unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    drop(client);
    let drain = drained.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served: 1, dropped_pipelined: 1, .. }), "{drain:?}");
    assert!(stage.scope.halt().await.error.is_none());
    let dropped = EventKind::PipelinedRequestDropped { bytes: next.len() };
    assert_eq!(stage.record.all(), [EventKind::ConnectionClosed, dropped]);
}

#[tokio::test]
async fn a_lame_duck_goes_on_accepting_and_closes_behind_each_answer() {
    let config = ServerConfig { lame_duck: 5 * SHORT, ..ServerConfig::default() };
    let stage = Stage::new(config).await;
    let mut idle = stage.client().await;
    idle.send(get("/")).await;
    idle.read_to("ok").await;
    let drained = drain(&stage.server, PATIENCE);
    reaches(&stage.server, State::LameDuck).await;
    let mut late = stage.client().await;
    late.send(get("/")).await;
    let answer = late.read_to_close().await.unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("ok"), "{answer}");
    drop(late);
    assert_eq!(stage.server.state(), State::LameDuck);
    assert_eq!(stage.server.connections(), 1, "who has not asked is not closed on");
    assert_eq!(idle.read_to_close().await.unwrap(), "");
    let drain = drained.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served: 2, elapsed, .. } if elapsed >= 5 * SHORT), "{drain}");
    assert_eq!(stage.server.state(), State::Stopped);
    assert!(stage.scope.halt().await.error.is_none());
    assert_eq!(stage.record.all(), [EventKind::ConnectionClosed, EventKind::ConnectionClosed]);
}
