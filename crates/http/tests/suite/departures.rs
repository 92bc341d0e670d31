//! Clients that leave while more than the request under way has come from them.

use std::time::Duration;

use ostler_http::{EventKind, Fault, Phase, SendSite, ServerConfig};
use ostler_net::{Address, Listener};
use ostler_testing::{Client, Encrypted, SelfSigned};
use ostler_tls::{CertificateFiles, Certificates, Tls};
use tokio::io::AsyncWriteExt;

use crate::stage::{Piece, Stage, get};

/// A server that looks at its connections often.
fn config() -> ServerConfig {
    ServerConfig { header_timeout: Duration::from_millis(160), ..ServerConfig::default() }
}

const GONE: EventKind = EventKind::ClientDisconnected { phase: Phase::Handler };

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Closes,
    Resets,
    /// It closes its side alone: without a request behind it, that is leaving too.
    Finishes,
}

async fn leave(mut client: Client, way: Way) -> Option<Client> {
    match way {
        Way::Closes => {}
        Way::Resets => client.reset(),
        Way::Finishes => {
            client.finish().await;
            return Some(client);
        }
    }
    None
}

/// Waits until the server has looked at its connections several times.
async fn several_looks(stage: &Stage) {
    let mut witness = stage.client().await;
    witness.send("GE").await;
    witness.read_to("408").await;
}

#[tokio::test]
async fn a_client_that_has_asked_for_more_is_missed_while_its_first_request_is_answered() {
    for (next, way) in [
        ("", Way::Finishes),
        ("G", Way::Closes),
        ("G", Way::Resets),
        ("G", Way::Finishes),
        (&get("/next"), Way::Closes),
        (&get("/next"), Way::Resets),
        (&get("/next"), Way::Finishes),
    ] {
        let stage = Stage::new(config()).await;
        let mut client = stage.client().await;
        client.send(format!("{}{next}", get("/slow"))).await;
        stage.cues.entered.notified().await;
        let left = leave(client, way).await;
        stage.record.until(EventKind::is_end).await;
        drop(left);
        if !next.is_empty() {
            let dropped = EventKind::PipelinedRequestDropped { bytes: next.len() };
            stage.record.until(|kind| *kind == dropped).await;
        }
        stage.ends(&[GONE]).await;
    }
}

#[tokio::test]
async fn a_client_that_asks_for_more_later_is_missed_too() {
    let stage = Stage::new(config()).await;
    let mut client = stage.client().await;
    client.send(get("/slow")).await;
    stage.cues.entered.notified().await;
    several_looks(&stage).await;
    client.send(get("/next")).await;
    drop(client);
    stage.record.until(|kind| *kind == GONE).await;
    stage.ends(&[EventKind::HeaderTimeout, GONE]).await;
}

#[tokio::test]
async fn a_client_that_asks_for_more_and_stays_is_answered_however_long_that_takes() {
    let stage = Stage::new(config()).await;
    let mut client = stage.client().await;
    client.send(format!("{}{}", get("/slow"), get("/next"))).await;
    stage.cues.entered.notified().await;
    several_looks(&stage).await;
    stage.cues.release.notify_one();
    client.read_to("ok").await;
    client.read_to("ok").await;
    drop(client);
    stage.ends(&[EventKind::HeaderTimeout, EventKind::ConnectionClosed]).await;
}

#[tokio::test]
async fn a_client_is_missed_while_its_response_pauses() {
    let error = Fault { kind: std::io::ErrorKind::ConnectionReset, errno: Some(104) };
    for (way, expected) in [
        (Way::Closes, EventKind::ClientDisconnected { phase: Phase::Body }),
        (Way::Resets, EventKind::SendFailed { site: SendSite::SendChunk, error }),
    ] {
        let stage = Stage::new(config()).await;
        let mut client = stage.client().await;
        client.send(format!("{}{}", get("/chunks"), get("/next"))).await;
        stage.stream(Piece::Bytes("hello"));
        client.read_to("hello\r\n").await;
        leave(client, way).await;
        stage.ends(&[expected]).await;
    }
}

#[tokio::test]
async fn a_client_whose_body_nobody_reads_is_missed_when_it_resets() {
    let stage = Stage::new(config()).await;
    let mut client = stage.client().await;
    client.send("POST /read-late HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    client.send(vec![b'x'; 500_000]).await;
    stage.cues.entered.notified().await;
    client.reset();
    stage.ends(&[GONE]).await;
}

#[tokio::test]
async fn a_client_whose_body_nobody_reads_yet_may_have_closed_its_side() {
    let stage = Stage::new(config()).await;
    let mut client = stage.client().await;
    client.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe").await;
    stage.cues.entered.notified().await;
    client.send("llo").await;
    client.finish().await;
    several_looks(&stage).await;
    stage.cues.release.notify_one();
    client.read_to("ok").await;
    drop(client);
    let ends = [EventKind::HeaderTimeout, EventKind::ConnectionClosed];
    stage.ends(&ends).await;
}

#[tokio::test]
async fn a_client_over_a_unix_socket_is_missed() {
    let path = std::env::temp_dir().join(format!("ostler-http-departures-{}.sock", std::process::id()));
    let listener = Listener::bind(&Address::Unix(path)).await.unwrap();
    let stage = Stage::on(listener, config());
    let mut client = stage.client().await;
    client.send(format!("{}{}", get("/slow"), get("/next"))).await;
    stage.cues.entered.notified().await;
    drop(client);
    stage.ends(&[GONE]).await;
}

#[tokio::test]
async fn a_client_over_tls_is_missed() {
    let made = SelfSigned::new(&["a.localhost"]);
    let files = CertificateFiles { cert: made.cert.clone(), key: made.key.clone() };
    let tls = Some(Tls::new(Certificates::load(&[files]).unwrap()));
    let stage = Stage::new(ServerConfig { tls, ..config() }).await;
    let address = stage.server.address().clone();
    let mut client = Encrypted::connect(&address, "a.localhost", &["http/1.1"]).await.unwrap().stream;
    client.write_all(format!("{}{}", get("/slow"), get("/next")).as_bytes()).await.unwrap();
    stage.cues.entered.notified().await;
    drop(client);
    stage.ends(&[GONE]).await;
}
