//! Requests that come back.

use std::sync::{Arc, OnceLock};

use ostler_net::Address;
use ostler_switchboard::SwitchboardConfig;
use tokio::sync::mpsc;

use crate::stage::{Cast, Setting, Stage};
use ostler_testing::{Backend, Client};

#[tokio::test]
async fn a_request_that_goes_round_through_another_server_is_ended_with_508() {
    let back: Arc<OnceLock<Address>> = Arc::default();
    let (show, mut shown) = mpsc::unbounded_channel();
    let way_back = Arc::clone(&back);
    let other = Backend::start(move |_number, mut peer| {
        let (show, back) = (show.clone(), Arc::clone(&way_back));
        async move {
            let head = peer.head().await.unwrap();
            let mut again = Client::connect(back.get().unwrap()).await;
            again.send(&head).await;
            show.send(head).unwrap();
            peer.send(again.read_to("}\n").await).await;
        }
    })
    .await;
    let switchboard = SwitchboardConfig { max_passes: 3, ..SwitchboardConfig::default() };
    let fixed = vec![("round.localhost", other.address.clone())];
    let stage = Stage::set(Cast::default(), Setting { switchboard, fixed, ..Setting::default() }).await;
    back.set(stage.switchboard.address().clone()).unwrap();
    let mut client = stage.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: round.localhost\r\nVia: 1.1 edge (ostler), 1.0 ostler.example\r\n\r\n")
        .await;
    let answer = client.read_to("}\n").await;
    assert!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
    assert!(answer.contains("urn:ostler:problem:loop-detected"), "{answer}");
    drop(client);
    stage.end().await;
    drop(other);
    let mut passes = 0;
    while shown.recv().await.is_some() {
        passes += 1;
    }
    assert_eq!(passes, 3);
}

#[tokio::test]
async fn a_loop_starts_nothing() {
    let stage = Stage::new(Cast::default()).await;
    let mut client = stage.client().await;
    let via = ["1.1 ostler, HTTP/2 ostler (a comment)"; 8].join("\r\nVia: ");
    client.send(format!("GET / HTTP/1.1\r\nHost: a.localhost\r\nVia: {via}\r\n\r\n")).await;
    let answer = client.read_to("}\n").await;
    assert!(answer.starts_with("HTTP/1.1 508 "), "{answer}");
    assert!(stage.cast.started().is_empty());
    stage.end().await;
}
