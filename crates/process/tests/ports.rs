//! Ports: whose they are, and when they are given again.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use ostler_process::{LauncherConfig, NoFreePort, PortRange, Ports, StartError};
use tokio::net::TcpSocket;
use tokio::time::advance;

use crate::block::{Block, PORTS};
use crate::stable::{Stable, fake};
use crate::traces::{eventually, marked};

fn range(base: u16, count: u16) -> PortRange {
    PortRange { base, count, ..PortRange::default() }
}

#[tokio::test(start_paused = true)]
async fn a_freed_port_rests_before_it_is_given_again() {
    let block = Block::claim();
    let base = block.base;
    let ports = Ports::new(range(base, 3));
    let first = ports.take().unwrap();
    assert_eq!(first.number(), base);
    drop(first);
    assert_eq!(ports.take().unwrap().number(), base + 1);
    advance(Duration::from_secs(60)).await;
    assert_eq!(ports.take().unwrap().number(), base);
}

#[tokio::test(start_paused = true)]
async fn a_resting_port_is_given_early_rather_than_none() {
    let block = Block::claim();
    let base = block.base;
    let ports = Ports::new(range(base, 2));
    let (first, second) = (ports.take().unwrap(), ports.take().unwrap());
    assert_eq!(ports.take().unwrap_err(), NoFreePort { first: base, last: base + 1 });
    drop(second);
    drop(first);
    assert_eq!(ports.take().unwrap().number(), base + 1, "the one that rested longest");
}

#[tokio::test]
async fn a_port_that_another_program_holds_is_passed_over() {
    let block = Block::claim();
    let base = block.base;
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, base)).unwrap();
    let ports = Ports::new(range(base, 2));
    assert_eq!(ports.take().unwrap().number(), base + 1);
    drop(held);
}

#[tokio::test]
async fn two_children_are_never_given_one_port() {
    let stable = Stable::open().await;
    let (first, second) = tokio::join!(stable.serve(&[]), stable.serve(&[]));
    assert_ne!(first.unwrap().child.address(), second.unwrap().child.address());
    stable.close().await;
}

#[tokio::test]
async fn a_child_whose_port_was_taken_before_it_could_bind_gets_the_next_one() {
    let block = Block::claim();
    let base = block.base;
    let stable = Stable::with(|config| LauncherConfig { ports: range(base, 4), ..config }).await;
    let go = stable.file("go");
    let wait_for = format!("--wait-for={}", go.display());
    let switches = [wait_for.as_str()];
    let thief = async {
        eventually("a waiting child", || go.with_extension("waiting").exists()).await;
        let stolen = TcpListener::bind((Ipv4Addr::LOCALHOST, base)).unwrap();
        std::fs::write(&go, "").unwrap();
        stolen
    };
    let (stall, stolen) = tokio::join!(stable.serve(&switches), thief);
    assert_eq!(stall.unwrap().child.address().port(), Some(base + 1));
    drop(stolen);
    stable.close().await;
}

#[tokio::test]
async fn a_child_whose_port_another_program_connected_from_gets_the_next_one() {
    let block = Block::claim();
    // As the kernel does it for who does not ask for a port: not to be shared, not even with what it remembers of another test.
    let bound = |port| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, port).into()).map(|()| socket)
    };
    let base = (block.base..block.base + PORTS - 4).find(|port| bound(*port).is_ok()).unwrap();
    let stable = Stable::with(|config| LauncherConfig { ports: range(base, 4), ..config }).await;
    let go = stable.file("go");
    let wait_for = format!("--wait-for={}", go.display());
    let switches = [wait_for.as_str()];
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let thief = async {
        eventually("a waiting child", || go.with_extension("waiting").exists()).await;
        let stolen = bound(base).unwrap().connect(server.local_addr().unwrap()).await.unwrap();
        std::fs::write(&go, "").unwrap();
        stolen
    };
    let (stall, stolen) = tokio::join!(stable.serve(&switches), thief);
    assert_eq!(stall.unwrap().child.address().port(), Some(base + 1));
    drop(stolen);
    stable.close().await;
}

#[tokio::test]
async fn a_stranger_on_the_childs_port_is_not_taken_for_the_child() {
    let block = Block::claim();
    let base = block.base;
    let one = |config| LauncherConfig { ports: range(base, 1), port_attempts: 1, ..config };
    let stable = Stable::with(one).await;
    let go = stable.file("go");
    // It never binds, so only the proof can tell that what accepts is not it.
    let spec = fake(&["--never-ready", &format!("--wait-for={}", go.display())]);
    let stranger = async {
        eventually("a waiting child", || go.with_extension("waiting").exists()).await;
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, base)).unwrap();
        std::fs::write(&go, "").unwrap();
        stranger
    };
    let (outcome, stranger) = tokio::join!(stable.start(&spec), stranger);
    let Err(StartError::PortTakenByOther { port, .. }) = outcome else { panic!("ready, or another error") };
    assert_eq!(port, base);
    assert_eq!(marked(stable.launcher.mark()), [0; 0]);
    drop(stranger);
    stable.close().await;
}

#[tokio::test]
async fn a_stopped_childs_port_is_free() {
    let stable = Stable::open().await;
    let stall = stable.serve(&[]).await.unwrap();
    let port = stall.child.address().port().unwrap();
    stall.child.stop().await.unwrap();
    assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    stable.close().await;
}
