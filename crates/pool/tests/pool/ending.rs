//! Servers go when nobody needs them, when they are worn out, and when they are asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ostler_pool::{NotFound, Policy, PoolConfig, SlotState};
use ostler_scope::BoxError;
use tokio::time::{Instant, advance, sleep};

use crate::fake::{Stage, settle};

const MINUTE: Duration = Duration::from_secs(60);

fn idle_for_a_minute() -> Policy {
    Policy { idle_timeout: Some(MINUTE), ..Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn an_idle_server_stops_after_its_idle_timeout_and_not_before() {
    let mut stage = Stage::new(PoolConfig::default(), idle_for_a_minute());
    let (lease, _) = stage.ready("a").await;
    // Leased for much longer than the timeout, then used once more on the fast path.
    sleep(10 * MINUTE).await;
    let slot = lease.slot().clone();
    drop(lease);
    sleep(MINUTE / 2).await;
    drop(slot.lease().expect("ready"));
    let last_use = Instant::now();
    stage.until("evicted").await;
    assert_eq!(last_use.elapsed(), MINUTE);
    assert_eq!(stage.event().await, "a#1 stopped");
    assert_eq!(stage.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_idle_timeout_is_pinned() {
    let mut stage = Stage::new(PoolConfig::default(), Policy { idle_timeout: None, ..Policy::default() });
    drop(stage.ready("a").await);
    sleep(10_000 * MINUTE).await;
    assert!(stage.pool.get(&"a".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_life_leaves_exactly_its_transitions_in_the_events() {
    let mut stage = Stage::new(PoolConfig::default(), idle_for_a_minute());
    let (lease, _) = stage.ready("a").await;
    for _ in 0..3 {
        drop(stage.pool.get(&"a".into()));
    }
    drop(lease);
    stage.until("stopped").await;
    let again = stage.ready("a").await;
    drop(again);
    drop(stage.scope.halt());
    let events = stage.last_events().await;
    assert_eq!(events, ["a#2 started", "a#2 ready at 2", "a#2 evicted: drained", "a#2 stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_past_its_maximum_age_is_drained_and_replaced_by_the_next_call() {
    let policy = Policy { max_age: Some(MINUTE), ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let (lease, _) = stage.ready("a").await;
    lease.draining().await;
    assert_eq!(crate::fake::tell(&stage.until("evicted").await), "a#1 evicted: max_age");
    let next = stage.call("a");
    stage.nothing_starts().await;
    drop(lease);
    stage.starting().await.open();
    assert_eq!(next.await.unwrap().unwrap().generation().number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_leased_exactly_as_often_as_it_may_be() {
    let policy = Policy { max_uses: Some(3), ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let calls: Vec<_> = (0..5).map(|_| stage.call("a")).collect();
    stage.starting().await.open();
    stage.until("evicted").await;
    settle().await;
    let (done, waiting): (Vec<_>, Vec<_>) = calls.into_iter().partition(tokio::task::JoinHandle::is_finished);
    assert_eq!((done.len(), waiting.len()), (3, 2));
    for call in done {
        drop(call.await.unwrap().unwrap());
    }
    stage.starting().await.open();
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap().generation().number(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_use_of_a_slot_closes_it_without_the_pool() {
    let policy = Policy { max_uses: Some(2), ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let (first, _) = stage.ready("a").await;
    let slot = first.slot().clone();
    let second = slot.lease().expect("one use is left");
    assert_eq!(slot.state(), SlotState::Draining);
    assert!(slot.lease().is_none());
    assert_eq!(slot.served(), 2);
    drop((first, second));
    assert_eq!(crate::fake::tell(&stage.until("evicted").await), "a#1 evicted: max_uses");
    stage.until("stopped").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_shut_down_finishes_what_it_does_first() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (lease, hand) = stage.ready("a").await;
    let pool = stage.pool.clone();
    let shutdown = tokio::spawn(async move { pool.shutdown(&"a".into()).await });
    lease.draining().await;
    assert!(lease.slot().lease().is_none());
    settle().await;
    assert_eq!(hand.drains.load(Ordering::SeqCst), 0, "drained while leased");
    assert!(!shutdown.is_finished());
    drop(lease);
    assert_eq!(shutdown.await.unwrap(), Ok(()));
    assert_eq!(hand.drains.load(Ordering::SeqCst), 1);
    assert_eq!(stage.alive(), 0);
    assert!(stage.pool.servers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_kept_beyond_the_drain_timeout_is_cut_off() {
    let policy = Policy { drain_timeout: MINUTE, ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let (lease, _) = stage.ready("a").await;
    let before = Instant::now();
    stage.pool.shutdown(&"a".into()).await.unwrap();
    assert_eq!(before.elapsed(), MINUTE);
    assert_eq!(lease.slot().state(), SlotState::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_does_not_finish_draining_is_ended_at_its_deadline() {
    let policy = Policy { stop_timeout: MINUTE, ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let (lease, hand) = stage.ready("a").await;
    hand.hold_drain.store(true, Ordering::SeqCst);
    drop(lease);
    let before = Instant::now();
    stage.pool.shutdown(&"a".into()).await.unwrap();
    assert_eq!(before.elapsed(), MINUTE);
}

/// Which of the two its task sees first is left to chance.
#[tokio::test(start_paused = true)]
async fn a_server_that_exits_at_the_moment_it_is_told_to_stop_is_gone_too() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    for _ in 0..32 {
        let (lease, hand) = stage.ready("a").await;
        drop(lease);
        let before = Instant::now();
        hand.crash("at last");
        stage.pool.shutdown(&"a".into()).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shut_down_under_a_key_that_has_no_server() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    drop(stage.ready("a").await);
    assert_eq!(stage.pool.shutdown(&"a:other".into()).await, Err(NotFound));
    assert!(stage.pool.get(&"a".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_during_a_shutdown_gets_a_successor_once_the_old_one_is_gone() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (lease, _) = stage.ready("a").await;
    let pool = stage.pool.clone();
    let shutdown = tokio::spawn(async move { pool.shutdown(&"a".into()).await });
    lease.draining().await;
    let next = stage.call("a");
    stage.nothing_starts().await;
    drop(lease);
    shutdown.await.unwrap().unwrap();
    stage.starting().await.open();
    assert_eq!(next.await.unwrap().unwrap().generation().number(), 2);
    let mut events = Vec::new();
    while events.len() < 6 {
        events.push(stage.event().await);
    }
    let expected = [
        "a#1 started",
        "a#1 ready at 1",
        "a#1 evicted: requested",
        "a#1 stopped",
        "a#2 started",
        "a#2 ready at 2",
    ];
    assert_eq!(events, expected);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_shut_down_begins_again_for_those_who_wait() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let call = stage.call("a");
    let (start, _opened) = stage.starting().await.parts();
    stage.pool.shutdown(&"a".into()).await.unwrap();
    start.scope.ended().await;
    stage.starting().await.open();
    assert_eq!(call.await.unwrap().unwrap().generation().number(), 2);
}

#[tokio::test(start_paused = true)]
async fn stopped_means_that_the_teardown_has_finished() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let call = stage.call("a");
    let backstage = stage.starting().await;
    let closed = Arc::new(AtomicBool::new(false));
    let socket = Arc::clone(&closed);
    let close = move |_| async move {
        sleep(MINUTE / 20).await;
        socket.store(true, Ordering::SeqCst);
        Ok::<_, BoxError>(())
    };
    backstage.start.scope.ensure("socket", close).unwrap();
    backstage.open();
    drop(call.await.unwrap().unwrap());
    let pool = stage.pool.clone();
    let shutdown = tokio::spawn(async move { pool.shutdown(&"a".into()).await });
    stage.until("evicted").await;
    advance(Duration::from_secs(1)).await;
    settle().await;
    assert!(!closed.load(Ordering::SeqCst));
    stage.until("stopped").await;
    assert!(closed.load(Ordering::SeqCst));
    assert_eq!(stage.alive(), 0, "the resource is dropped before");
    shutdown.await.unwrap().unwrap();
}
