//! A quota bounds its own, and does not hold up the rest.

use ostler_pool::{Key, LeaseError, Policy, PoolConfig, Quota};

use crate::fake::{Stage, settle};

/// Keys that begin with `w` share a wildcard's two places.
fn stage(max_servers: usize) -> Stage {
    let config = PoolConfig { max_servers, ..PoolConfig::default() };
    Stage::with_rules(config, |key: &Key| Policy {
        quota: key.as_str().starts_with('w').then(|| Quota::new("*.preview", 2)),
        ..Policy::default()
    })
}

#[tokio::test(start_paused = true)]
async fn strangers_under_a_wildcard_cannot_exhaust_the_pool() {
    let mut stage = stage(10);
    let (_w1, _) = stage.ready("w1").await;
    let (_w2, _) = stage.ready("w2").await;
    let _strangers: Vec<_> = (3..100).map(|n| stage.call(&format!("w{n}"))).collect();
    stage.nothing_starts().await;
    drop(stage.ready("shop").await);
}

#[tokio::test(start_paused = true)]
async fn a_full_quota_evicts_its_own_idle_server_and_nobody_elses() {
    let mut stage = stage(10);
    drop(stage.ready("old").await);
    drop(stage.ready("w1").await);
    drop(stage.ready("w2").await);
    drop(stage.ready("w3").await);
    let evicted = crate::fake::tell(&stage.until("evicted").await);
    assert_eq!(evicted, "w1#2 evicted: quota");
    assert!(stage.pool.get(&"old".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_quota_is_told_which() {
    let mut stage = stage(10);
    let (_w1, _) = stage.ready("w1").await;
    let (_w2, _) = stage.ready("w2").await;
    match stage.call("w3").await.unwrap() {
        Err(LeaseError::QuotaExhausted { quota, .. }) => assert_eq!(&*quota, "*.preview"),
        other => panic!("{other:?}"),
    }
    assert_eq!(crate::fake::tell(&stage.until("limit_reached").await), "w3 limit_reached of *.preview");
}

#[tokio::test(start_paused = true)]
async fn a_call_held_up_by_its_quota_does_not_hold_up_those_behind_it() {
    let mut stage = stage(3);
    let (_w1, _) = stage.ready("w1").await;
    let (_w2, _) = stage.ready("w2").await;
    let (a, _) = stage.ready("a").await;
    let _w3 = stage.call("w3");
    settle().await;
    let b = stage.call("b");
    settle().await;
    drop(a);
    let backstage = stage.starting().await;
    assert_eq!(backstage.start.key.as_str(), "b");
    backstage.open();
    assert!(b.await.unwrap().is_ok());
}
