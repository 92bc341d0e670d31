//! Servers are started by the first call for them, once.

use std::time::Duration;

use ostler_pool::{Key, LeaseError, Policy, PoolConfig};
use tokio::time::{Instant, timeout};

use crate::fake::{LONG, Stage, settle};

#[tokio::test(start_paused = true)]
async fn calls_for_the_same_key_share_one_start() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let calls: Vec<_> = (0..20).map(|_| stage.call("a")).collect();
    stage.starting().await.open();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().generation().number(), 1);
    }
    stage.nothing_starts().await;
    assert_eq!(stage.alive(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_during_a_start_waits_for_its_result() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let first = stage.call("a");
    let backstage = stage.starting().await;
    let second = stage.call("a");
    settle().await;
    assert!(!second.is_finished());
    backstage.open();
    assert_eq!(second.await.unwrap().unwrap().address(), first.await.unwrap().unwrap().address());
}

#[tokio::test(start_paused = true)]
async fn a_ready_server_is_leased_without_a_start() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (lease, _) = stage.ready("a").await;
    let again = stage.pool.get_or_create(&"a".into(), Instant::now()).await.unwrap();
    assert_eq!(lease.generation(), again.generation());
    assert!(stage.pool.get(&"a".into()).is_some());
    assert!(lease.slot().lease().is_some());
    assert!(stage.pool.get(&"b".into()).is_none());
    stage.nothing_starts().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_servers_start_at_once_than_may() {
    let config = PoolConfig { max_parallel_starts: 2, ..PoolConfig::default() };
    let mut stage = Stage::new(config, Policy::default());
    let _calls: Vec<_> = ["a", "b", "c", "d"].map(|key| stage.call(key)).into();
    let (first, second) = (stage.starting().await, stage.starting().await);
    stage.nothing_starts().await;
    first.open();
    let third = stage.starting().await;
    assert_eq!(third.start.key.as_str(), "c");
    stage.nothing_starts().await;
    second.fail("no");
    assert_eq!(stage.starting().await.start.key.as_str(), "d");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_passes_is_told_and_its_start_goes_on() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let before = Instant::now();
    let call = stage.call_within("a", Duration::from_secs(2));
    let backstage = stage.starting().await;
    assert!(matches!(call.await.unwrap(), Err(LeaseError::DeadlinePassed)));
    assert_eq!(before.elapsed(), Duration::from_secs(2));
    backstage.open();
    stage.until("ready").await;
    assert!(stage.pool.get(&"a".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_starts_nothing() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let late = stage.call_within("a", Duration::ZERO);
    assert!(matches!(late.await.unwrap(), Err(LeaseError::DeadlinePassed)));
    stage.nothing_starts().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_for_its_turn_is_forgotten_with_its_last_call() {
    let config = PoolConfig { max_parallel_starts: 1, ..PoolConfig::default() };
    let mut stage = Stage::new(config, Policy::default());
    let first = stage.call("a");
    let backstage = stage.starting().await;
    let second = stage.call("b");
    settle().await;
    assert_eq!(stage.pool.servers().len(), 2);
    second.abort();
    settle().await;
    assert_eq!(stage.pool.servers().len(), 1);
    backstage.open();
    drop(first.await.unwrap().unwrap());
    stage.nothing_starts().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_calls_for_one_start_are_refused() {
    let config = PoolConfig { max_waiting_per_server: 2, ..PoolConfig::default() };
    let stage = Stage::new(config, Policy::default());
    let _waiting = [stage.call("a"), stage.call("a")];
    settle().await;
    let key = Key::from("a");
    let third = stage.pool.get_or_create(&key, Instant::now() + LONG);
    let answer = timeout(Duration::from_millis(1), third).await.expect("at once");
    assert!(matches!(answer, Err(LeaseError::Exhausted { .. })));
}
