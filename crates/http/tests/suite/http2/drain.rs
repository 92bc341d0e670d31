//! A drain and what a client of HTTP/2 may have open.

use ostler_http::{Cut, Drain, EventKind, Http2Config, Phase, ServerConfig};
use ostler_scope::Deadline;
use ostler_testing::PATIENCE;
use ostler_testing::http2::{Frame, Http2, frame};

use super::{SHORT, Stage};

fn is_goaway(frame: &Frame) -> bool {
    frame.kind == frame::GOAWAY
}

/// Answers PINGs until the final GOAWAY, and says its last stream.
async fn last_stream(client: &mut Http2) -> u32 {
    loop {
        let next = client.wait_for(|it| is_goaway(it) || it.kind == frame::PING).await;
        if next.kind == frame::PING {
            client.frame(frame::PING, frame::ACK, 0, &next.payload).await;
        } else if next.number(0) != 0x7fff_ffff {
            return next.number(0);
        }
    }
}

#[tokio::test]
async fn what_is_idle_is_told_and_closed_at_once() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hello").await;
    client.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    let server = stage.server.clone();
    let draining = tokio::spawn(async move { server.drain(Deadline::after(PATIENCE)).await });
    assert_eq!(last_stream(&mut client).await, 1);
    client.read_to_close().await.unwrap();
    assert!(matches!(draining.await.unwrap(), Drain::Drained { served: 1, .. }));
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn open_streams_are_finished_and_later_ones_are_dropped_and_told() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hold").await;
    stage.entered.notified().await;
    client.get(3, "/stream").await;
    stage.entered.notified().await;
    let server = stage.server.clone();
    let draining = tokio::spawn(async move { server.drain(Deadline::after(PATIENCE)).await });
    assert_eq!(last_stream(&mut client).await, 3);
    client.get(5, "/late").await;
    // Its answer shows that what came before has been read.
    client.frame(frame::PING, 0, 0, &[5; 8]).await;
    client.wait_for(|it| it.kind == frame::PING && it.payload == [5; 8]).await;
    for _ in 0..2 {
        stage.release.notify_one();
        client.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    }
    assert!(client.read_to_close().await.unwrap().iter().all(|it| it.stream != 5));
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served: 2, .. }), "{drain}");
    let dropped = stage.told().await;
    assert!(matches!(dropped, EventKind::PipelinedRequestDropped { bytes: 1.. }), "{dropped:?}");
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_server_that_retires_tells_its_clients_finishes_their_streams_and_lets_them_go() {
    let mut stage = Stage::new().await;
    let mut idle = Http2::start(stage.address()).await;
    idle.get(1, "/hello").await;
    idle.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    let mut busy = Http2::start(stage.address()).await;
    busy.get(1, "/hold").await;
    stage.entered.notified().await;
    stage.server.retire().await;
    for client in [&mut idle, &mut busy] {
        assert_eq!(last_stream(client).await, 1);
    }
    idle.read_to_close().await.unwrap();
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    // Its place is given back behind its last event.
    while stage.server.connections() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.server.connections(), 1);
    stage.release.notify_one();
    busy.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    busy.read_to_close().await.unwrap();
    stage.server.gone().await;
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_does_not_acknowledge_is_let_go_by_a_server_that_retires() {
    let http2 = Http2Config { ping_timeout: SHORT, ..Http2Config::default() };
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hello").await;
    client.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    stage.server.retire().await;
    client.wait_for(is_goaway).await;
    stage.server.gone().await;
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn a_client_that_never_acknowledges_does_not_hold_a_drain() {
    let http2 = Http2Config { ping_timeout: SHORT, ..Http2Config::default() };
    let mut stage = Stage::with(ServerConfig { http2, ..ServerConfig::default() }).await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/stream").await;
    stage.entered.notified().await;
    let server = stage.server.clone();
    let draining = tokio::spawn(async move { server.drain(Deadline::after(PATIENCE)).await });
    client.wait_for(is_goaway).await;
    // What is open is finished, and only then its time to answer runs.
    stage.release.notify_one();
    client.wait_for(|it| it.kind == frame::DATA && it.flags & frame::END_STREAM != 0).await;
    client.read_to_close().await.unwrap();
    let drain = draining.await.unwrap();
    assert!(matches!(drain, Drain::Drained { served: 1, .. }), "{drain}");
    assert_eq!(stage.told().await, EventKind::ConnectionClosed);
    stage.close().await;
}

#[tokio::test]
async fn what_is_open_at_the_deadline_is_reset() {
    let mut stage = Stage::new().await;
    let mut client = Http2::start(stage.address()).await;
    client.get(1, "/hold").await;
    stage.entered.notified().await;
    let drain = stage.server.drain(Deadline::after(SHORT)).await;
    let Drain::TimedOut(Cut { remaining, aborted: 1, stuck: 0, .. }) = drain else { panic!("{drain}") };
    assert_eq!(remaining.0.into_iter().collect::<Vec<_>>(), [(Phase::Handler, 1)]);
    let reset = client.read_to_close().await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(stage.told().await, EventKind::ConnectionAborted { phase: Phase::Handler });
    let Stage { server, mut events, scope, .. } = stage;
    assert!(scope.halt().await.error.is_some());
    drop(server);
    let told = events.recv().await.unwrap().kind;
    assert!(matches!(told, EventKind::ShutdownTimedOut { .. }), "{told:?}");
    assert_eq!(events.recv().await, None);
}
