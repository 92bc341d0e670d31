//! A pool never has more servers than it may, and makes place without hurting anybody.

use std::time::Duration;

use ostler_pool::{Key, LeaseError, Policy, PoolConfig, ServerState};
use ostler_scope::BoxError;
use tokio::time::{Instant, advance};

use crate::fake::{Stage, settle};

fn of(max_servers: usize) -> PoolConfig {
    PoolConfig { max_servers, ..PoolConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn new_keys_at_a_full_pool_of_leased_servers_wait() {
    let mut stage = Stage::new(of(2), Policy::default());
    let (a, _) = stage.ready("a").await;
    let (_b, _) = stage.ready("b").await;
    let calls = ["c", "d", "e"].map(|key| stage.call(key));
    stage.nothing_starts().await;
    assert_eq!(stage.pool.servers().len(), 2);
    drop(a);
    let backstage = stage.starting().await;
    assert_eq!(backstage.start.key.as_str(), "c");
    stage.nothing_starts().await;
    assert_eq!(stage.pool.servers().len(), 2);
    backstage.open();
    let [c, ..] = calls;
    assert_eq!(c.await.unwrap().unwrap().key().as_str(), "c");
}

#[tokio::test(start_paused = true)]
async fn starting_servers_count_against_the_capacity() {
    let mut stage = Stage::new(of(2), Policy::default());
    let _calls = ["a", "b", "c"].map(|key| stage.call(key));
    let _starts = (stage.starting().await, stage.starting().await);
    stage.nothing_starts().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopping_server_counts_until_its_scope_is_gone() {
    let mut stage = Stage::new(of(1), Policy::default());
    let call = stage.call("a");
    let backstage = stage.starting().await;
    let scope = backstage.start.scope.clone();
    backstage.open();
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    scope
        .ensure("socket", |_| async {
            let _ = closed.await;
            Ok::<_, BoxError>(())
        })
        .unwrap();
    drop(call.await.unwrap().unwrap());
    let _next = stage.call("b");
    stage.until("evicted").await;
    stage.nothing_starts().await;
    assert_eq!(stage.pool.servers()[0].state, ServerState::Stopping);
    close.send(()).unwrap();
    assert_eq!(stage.event().await, "a#1 stopped");
    assert_eq!(stage.starting().await.start.key.as_str(), "b");
}

#[tokio::test(start_paused = true)]
async fn the_idle_server_that_was_used_least_recently_makes_place() {
    let mut stage = Stage::new(of(3), Policy::default());
    for key in ["a", "b", "c"] {
        let (lease, _) = stage.ready(key).await;
        drop(lease);
        advance(Duration::from_secs(1)).await;
    }
    // `a` is used again on the fast path, which tells nobody.
    drop(stage.pool.slot(&"a".into()).unwrap().lease());
    drop(stage.ready("d").await);
    assert_eq!(stage.until("evicted").await.key.as_str(), "b");
    drop(stage.ready("e").await);
    assert_eq!(stage.until("evicted").await.key.as_str(), "c");
}

#[tokio::test(start_paused = true)]
async fn a_leased_server_is_not_evicted_however_old_its_last_call_is() {
    let mut stage = Stage::new(of(2), Policy::default());
    let (a, _) = stage.ready("a").await;
    advance(Duration::from_secs(100)).await;
    drop(stage.ready("b").await.0);
    drop(stage.ready("c").await);
    assert_eq!(stage.until("evicted").await.key.as_str(), "b");
    assert!(stage.pool.get(&"a".into()).is_some());
    drop(a);
}

#[tokio::test(start_paused = true)]
async fn an_evicted_server_is_not_handed_out() {
    let mut stage = Stage::new(of(1), Policy::default());
    let (a, hand) = stage.ready("a").await;
    hand.hold_drain.store(true, std::sync::atomic::Ordering::SeqCst);
    let slot = a.slot().clone();
    drop(a);
    let b = stage.call("b");
    stage.until("evicted").await;
    assert!(slot.lease().is_none());
    assert!(stage.pool.get(&"a".into()).is_none());
    let again = stage.call("a");
    stage.nothing_starts().await;
    hand.drained.notify_one();
    let backstage = stage.starting().await;
    assert_eq!(backstage.start.key.as_str(), "b");
    backstage.open();
    drop(b.await.unwrap().unwrap());
    let successor = stage.starting().await;
    assert_eq!((successor.start.key.as_str(), successor.start.generation.number()), ("a", 3));
    successor.open();
    assert_eq!(*again.await.unwrap().unwrap().address(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_waits_longer_than_it_may_is_told_that_the_pool_is_exhausted() {
    let config = PoolConfig { wait_timeout: Duration::from_secs(3), ..of(1) };
    let mut stage = Stage::new(config, Policy::default());
    let (_a, _) = stage.ready("a").await;
    let before = Instant::now();
    match stage.call("b").await.unwrap() {
        Err(LeaseError::Exhausted { retry_after }) => assert_eq!(retry_after, Duration::from_secs(1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    let sooner = stage.call_within("b", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(sooner, Err(LeaseError::Exhausted { .. })));
    assert_eq!(before.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_are_served_in_the_order_in_which_they_came() {
    let mut stage = Stage::new(of(1), Policy::default());
    let (a, _) = stage.ready("a").await;
    let mut calls = Vec::new();
    for key in ["b", "c", "d"] {
        calls.push(stage.call(key));
        settle().await;
    }
    drop(a);
    for (key, call) in ["b", "c", "d"].into_iter().zip(calls) {
        let backstage = stage.starting().await;
        assert_eq!(backstage.start.key.as_str(), key);
        backstage.open();
        drop(call.await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_the_queue() {
    let config = PoolConfig { max_waiting: 2, ..of(1) };
    let mut stage = Stage::new(config, Policy::default());
    let (a, _) = stage.ready("a").await;
    let b = stage.call("b");
    settle().await;
    let c = stage.call("c");
    settle().await;
    assert!(matches!(stage.call("d").await.unwrap(), Err(LeaseError::Exhausted { .. })), "the queue is full");
    b.abort();
    settle().await;
    let _d = stage.call("d");
    settle().await;
    drop(a);
    let backstage = stage.starting().await;
    assert_eq!(backstage.start.key.as_str(), "c");
    backstage.open();
    drop(c.await.unwrap().unwrap());
    assert_eq!(stage.starting().await.start.key.as_str(), "d");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_arrives_for_a_caller_who_has_left_is_given_back() {
    let mut stage = Stage::new(of(1), Policy::default());
    let call = stage.call("a");
    let backstage = stage.starting().await;
    let slot = {
        backstage.open();
        stage.until("ready").await;
        stage.pool.slot(&Key::from("a")).unwrap()
    };
    call.abort();
    let _ = call.await;
    settle().await;
    assert_eq!(slot.leases(), 0);
    drop(stage.ready("b").await);
}

#[tokio::test(start_paused = true)]
async fn observers_hear_once_that_the_limit_is_reached() {
    let mut stage = Stage::new(of(1), Policy::default());
    let (a, _) = stage.ready("a").await;
    let calls = ["b", "c"].map(|key| stage.call(key));
    settle().await;
    drop(a);
    let expected =
        ["a#1 started", "a#1 ready at 1", "b limit_reached", "a#1 evicted: capacity", "a#1 stopped"];
    for event in expected {
        assert_eq!(stage.event().await, event);
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}
