//! Responses that were given whole, and that their clients have not taken whole.

use ostler_http::{Cut, Drain, EventKind, Http2Config, Phase, ServerConfig, WriteBound};
use ostler_scope::Deadline;
use ostler_testing::PATIENCE;
use ostler_testing::http2::{Frame, Http2, frame};

use super::{SHORT, SOME, Stage};

/// What a client takes at once.
const FIRST: usize = 100;

/// A client that has taken as much of `/some`.
async fn slow(stage: &Stage) -> Http2 {
    let mut client = Http2::connect(stage.address()).await;
    client.begin(&[(4, FIRST as u32)]).await;
    client.get(1, "/some").await;
    assert_eq!(client.wait_for(|it| it.kind == frame::DATA).await.payload.len(), FIRST);
    client
}

/// Takes the rest, in two pieces.
async fn read(client: &mut Http2) {
    let mut left = SOME - FIRST;
    for more in [1, SOME - FIRST - 1] {
        client.frame(frame::WINDOW_UPDATE, 0, 1, &(more as u32).to_be_bytes()).await;
        let end = left - more;
        while left > end {
            left -= client.wait_for(|it| it.kind == frame::DATA).await.payload.len();
        }
    }
}

fn is_goaway(frame: &Frame) -> bool {
    frame.kind == frame::GOAWAY
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_idle() {
    let http2 = Http2Config { ping_timeout: SHORT, ..Http2Config::default() };
    let config = ServerConfig { idle_timeout: SHORT, http2, ..ServerConfig::default() };
    let mut stage = Stage::with(config).await;
    let mut client = slow(&stage).await;
    // One that is idle for as long, and was so later.
    let mut idle = Http2::start(stage.address()).await;
    idle.read_to_close().await.unwrap();
    assert_eq!(stage.told().await, EventKind::IdleTimeout);
    read(&mut client).await;
    // From now on it is.
    client.read_to_close().await.unwrap();
    assert_eq!(stage.told().await, EventKind::IdleTimeout);
    stage.close().await;
}

#[tokio::test]
async fn a_drain_waits_for_a_client_that_reads_slowly() {
    let http2 = Http2Config { ping_timeout: SHORT, ..Http2Config::default() };
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = slow(&stage).await;
    let mut idle = Http2::start(stage.address()).await;
    let server = stage.server.clone();
    let draining = tokio::spawn(async move { server.drain(Deadline::after(PATIENCE)).await });
    // Neither of them acknowledges.
    client.wait_for(is_goaway).await;
    idle.read_to_close().await.unwrap();
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    read(&mut client).await;
    client.read_to_close().await.unwrap();
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served: 1, .. }), "{drain}");
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_what_is_left_is_reset() {
    let config = ServerConfig { write_timeout: Some(SHORT), ..ServerConfig::default() };
    let mut stage = Stage::with(config).await;
    let mut client = slow(&stage).await;
    let _ = client.read_to_close().await;
    assert_eq!(stage.told().await, EventKind::WriteStalled { bound: WriteBound::Progress });
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_takes_what_is_left_in_drops_is_reset() {
    let config = ServerConfig { rate_window: SHORT, min_send_rate: Some(10_000), ..ServerConfig::default() };
    let mut stage = Stage::with(config).await;
    let mut client = slow(&stage).await;
    while client.try_send([0, 0, 4, frame::WINDOW_UPDATE, 0, 0, 0, 0, 1, 0, 0, 0, 1]).await.is_ok() {
        let Ok(Some(_)) = client.next().await else { break };
        tokio::time::sleep(SHORT / 10).await;
    }
    assert_eq!(stage.told().await, EventKind::WriteStalled { bound: WriteBound::Rate });
    stage.close().await;
}

#[tokio::test]
async fn what_is_left_at_the_deadline_of_a_drain_is_told_once() {
    let stage = Stage::new().await;
    let _client = slow(&stage).await;
    let drain = stage.server.drain(Deadline::after(SHORT)).await;
    let Drain::TimedOut(Cut { remaining, aborted: 1, stuck: 0, .. }) = drain else { panic!("{drain}") };
    assert_eq!(remaining.0.into_iter().collect::<Vec<_>>(), [(Phase::Body, 1)]);
    let Stage { server, mut events, scope, .. } = stage;
    assert!(scope.halt().await.error.is_some());
    drop(server);
    assert_eq!(events.recv().await.unwrap().kind, EventKind::ConnectionAborted { phase: Phase::Body });
    let told = events.recv().await.unwrap().kind;
    assert!(matches!(told, EventKind::ShutdownTimedOut { .. }), "{told:?}");
    assert_eq!(events.recv().await, None);
}
