//! What fails, fails at once, for those it concerns, and says why.

use std::time::Duration;

use ostler_pool::{Backoff, Breaker, LeaseError, NotReadyInTime, Policy, PoolConfig, SlotState};
use ostler_scope::BoxError;
use tokio::time::{Instant, advance, sleep};

use crate::fake::{Stage, settle};

fn calm() -> PoolConfig {
    let backoff = Backoff { initial: Duration::from_secs(1), jitter: 0.0, ..Backoff::default() };
    PoolConfig { backoff, ..PoolConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_answers_every_waiter_at_once_with_its_error() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let before = Instant::now();
    let calls: Vec<_> = (0..3).map(|_| stage.call("a")).collect();
    stage.starting().await.fail("exit status: 1");
    for call in calls {
        match call.await.unwrap() {
            Err(LeaseError::StartFailed(failure)) => assert_eq!(failure.error.to_string(), "exit status: 1"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    for event in ["a#1 started", "a#1 failed: exit status: 1", "a#1 stopped"] {
        assert_eq!(stage.event().await, event);
    }
    assert!(stage.pool.servers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_start_is_that_keys_failure_and_nobody_elses() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (_other, _) = stage.ready("b").await;
    let call = stage.call("a");
    drop(stage.starting().await);
    match call.await.unwrap() {
        Err(LeaseError::StartFailed(failure)) => {
            assert!(failure.error.to_string().contains("the test dropped the start"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    assert!(stage.pool.get(&"b".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_is_ended_and_its_callers_are_told() {
    let policy = Policy { start_timeout: Duration::from_secs(5), ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let before = Instant::now();
    let call = stage.call("a");
    let (start, mut opened) = stage.starting().await.parts();
    match call.await.unwrap() {
        Err(LeaseError::StartTimedOut(failure)) => {
            assert_eq!(failure.error.downcast_ref(), Some(&NotReadyInTime(Duration::from_secs(5))));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(before.elapsed(), Duration::from_millis(5_100));
    opened.closed().await;
    start.scope.ended().await;
    stage.until("stopped").await;
    assert!(stage.pool.servers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_keeps_the_deadline_gets_to_say_what_it_waited_for() {
    let policy = Policy { start_timeout: Duration::from_secs(5), ..Policy::default() };
    let mut stage = Stage::new(PoolConfig::default(), policy);
    let call = stage.call("a");
    let backstage = stage.starting().await;
    backstage.start.deadline.expired().await;
    backstage.fail("no answer on /health; stderr: oops");
    match call.await.unwrap() {
        Err(LeaseError::StartTimedOut(failure)) => assert!(failure.error.to_string().ends_with("oops")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_deadline_does_not_outlive_its_start() {
    let policy = Policy { start_timeout: Duration::from_secs(5), ..Policy::default() };
    let mut stage = Stage::new(calm(), policy);
    let call = stage.call("a");
    advance(Duration::from_secs(3)).await;
    stage.starting().await.fail("no");
    assert!(call.await.unwrap().is_err());
    sleep(Duration::from_secs(1)).await;
    let (lease, _) = stage.ready("a").await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(lease.slot().state(), SlotState::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_tells_its_leases_and_is_not_handed_out_again() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (lease, hand) = stage.ready("a").await;
    hand.crash("signal: 9");
    lease.ended().await;
    assert!(lease.slot().lease().is_none());
    assert!(stage.pool.get(&"a".into()).is_none());
    for event in ["a#1 started", "a#1 ready at 1", "a#1 failed: signal: 9", "a#1 stopped"] {
        assert_eq!(stage.event().await, event);
    }
    let (successor, _) = stage.ready("a").await;
    assert_eq!(successor.generation().number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_in_a_servers_scope_is_the_servers_failure() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let call = stage.call("a");
    let backstage = stage.starting().await;
    let scope = backstage.start.scope.clone();
    backstage.open();
    let lease = call.await.unwrap().unwrap();
    drop(scope.spawn("accept", async { Err::<(), BoxError>("too many open files".into()) }).unwrap());
    lease.ended().await;
    assert!(stage.pool.get(&"a".into()).is_none());
    let failed = crate::fake::tell(&stage.until("failed").await);
    assert!(failed.contains("accept: too many open files"), "{failed}");
    stage.until("stopped").await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_others_wait_for_the_key_starts_their_successor_after_it_is_gone() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let call = stage.call("a");
    let backstage = stage.starting().await;
    let scope = backstage.start.scope.clone();
    let hand = backstage.open();
    let _lease = call.await.unwrap().unwrap();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    scope
        .ensure("socket", |_| async {
            let _ = finished.await;
            Ok::<_, BoxError>(())
        })
        .unwrap();
    hand.crash("gone");
    stage.until("failed").await;
    let next = stage.call("a");
    stage.nothing_starts().await;
    finish.send(()).unwrap();
    stage.until("stopped").await;
    stage.starting().await.open();
    assert_eq!(next.await.unwrap().unwrap().generation().number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_failed_is_not_tried_again_before_its_pause_is_over() {
    let mut stage = Stage::new(calm(), Policy::default());
    let call = stage.call("a");
    stage.starting().await.fail("no");
    assert!(call.await.unwrap().is_err());
    match stage.call("a").await.unwrap() {
        Err(LeaseError::BackingOff { retry_after, last }) => {
            assert_eq!(retry_after, Duration::from_secs(1));
            assert_eq!(last.error.to_string(), "no");
        }
        other => panic!("{other:?}"),
    }
    drop(stage.ready("b").await);
    sleep(Duration::from_secs(1)).await;
    drop(stage.ready("a").await);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_keeps_failing_is_refused_until_the_breaker_lets_one_try_through() {
    let breaker = Breaker { failures: 3, open_for: Duration::from_secs(300) };
    let mut stage = Stage::new(PoolConfig { breaker, ..calm() }, Policy::default());
    for pause in [1, 2, 300] {
        let call = stage.call("a");
        stage.starting().await.fail("no");
        assert!(matches!(call.await.unwrap(), Err(LeaseError::StartFailed(_))));
        stage.until("stopped").await;
        match stage.call("a").await.unwrap() {
            Err(LeaseError::BackingOff { retry_after, .. }) => assert_eq!(retry_after.as_secs(), pause),
            other => panic!("{other:?}"),
        }
        sleep(Duration::from_secs(pause)).await;
    }
    drop(stage.ready("a").await);
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_slowed_down_and_a_single_crash_is_not() {
    let mut stage = Stage::new(calm(), Policy::default());
    for crash in 1..=2 {
        let (lease, hand) = stage.ready("a").await;
        drop(lease);
        hand.crash("boom");
        stage.until("stopped").await;
        settle().await;
        if crash == 2 {
            assert!(matches!(stage.call("a").await.unwrap(), Err(LeaseError::BackingOff { .. })));
        }
    }
}
