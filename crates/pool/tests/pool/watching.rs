//! What observers are told.

use std::time::Duration;

use ostler_pool::{Policy, PoolConfig, ServerState, WhyAlive};
use tokio::time::sleep;

use crate::fake::Stage;

#[tokio::test(start_paused = true)]
async fn a_server_tells_its_state_and_what_keeps_it_alive() {
    let config = PoolConfig { max_parallel_starts: 1, ..PoolConfig::default() };
    let mut stage = Stage::new(config, Policy::default());
    let calls = [stage.call("a"), stage.call("a"), stage.call("b")];
    let backstage = stage.starting().await;
    let [starting, reserved] = &stage.pool.servers()[..] else { panic!("two servers") };
    assert_eq!((starting.key.as_str(), starting.state), ("a", ServerState::Starting));
    assert_eq!(starting.why_alive, WhyAlive::StartingFor { waiters: 2 });
    assert!(starting.started_at.is_some() && starting.address.is_none());
    assert_eq!(starting.task.as_ref().unwrap().upgrade().unwrap().path(), "test/pool/servers/a#1");
    assert_eq!((reserved.key.as_str(), reserved.state), ("b", ServerState::Reserved));
    assert!(reserved.started_at.is_none() && reserved.task.is_none());
    assert!(stage.pool.list().is_empty(), "only ready ones are listed");

    backstage.open();
    let [first, second, _] = calls;
    let leases = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    let [ready] = &stage.pool.list()[..] else { panic!("one ready server") };
    assert_eq!((ready.state, ready.leases, ready.served), (ServerState::Ready, 2, 2));
    assert_eq!(ready.why_alive, WhyAlive::Leased { leases: 2 });
    assert_eq!((ready.address, ready.pid), (Some(1), Some(4_000)));
    assert!(ready.ready_at >= ready.started_at && ready.idle.is_zero());

    drop(leases);
    sleep(Duration::from_secs(20)).await;
    let idle = stage.pool.server(&"a".into()).unwrap();
    assert_eq!(idle.idle, Duration::from_secs(20));
    assert_eq!(idle.why_alive, WhyAlive::IdleFor { remaining: Duration::from_secs(580) });
}

#[tokio::test(start_paused = true)]
async fn a_draining_server_tells_when_its_leases_are_cut_off() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (_lease, _) = stage.ready("a").await;
    let pool = stage.pool.clone();
    tokio::spawn(async move { pool.shutdown(&"a".into()).await });
    stage.until("evicted").await;
    sleep(Duration::from_secs(10)).await;
    let draining = stage.pool.server(&"a".into()).unwrap();
    assert_eq!(draining.state, ServerState::Draining);
    let remaining = Duration::from_secs(20);
    assert_eq!(draining.why_alive, WhyAlive::Draining { leases: 1, remaining });
    assert_eq!(draining.why_alive.to_string(), "draining, 1 leases, cut off in 20s");
}
