//! A server that does not answer is replaced, and one that is slow once is not.

use std::time::Duration;

use ostler_pool::{Policy, PoolConfig};
use tokio::time::{Instant, sleep};

use crate::fake::{Health, Stage};

fn checked() -> Policy {
    Policy {
        check_interval: Some(Duration::from_secs(10)),
        check_timeout: Duration::from_secs(2),
        unhealthy_after: 3,
        idle_timeout: None,
        ..Policy::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_its_checks_in_a_row_is_drained_and_replaced_by_the_next_call() {
    let mut stage = Stage::new(PoolConfig::default(), checked());
    let (lease, hand) = stage.ready("a").await;
    let before = Instant::now();
    hand.is(Health::Sick);
    lease.draining().await;
    assert_eq!(before.elapsed(), Duration::from_secs(30));
    let expected = ["a#1 started", "a#1 ready at 1", "a#1 unhealthy: sick", "a#1 evicted: unhealthy"];
    for event in expected {
        assert_eq!(stage.event().await, event);
    }
    drop(lease);
    assert_eq!(stage.event().await, "a#1 stopped");
    stage.nothing_starts().await;
    assert_eq!(stage.ready("a").await.0.generation().number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_succeeds_wipes_out_the_failures_before_it() {
    let mut stage = Stage::new(PoolConfig::default(), checked());
    let (_lease, hand) = stage.ready("a").await;
    for _ in 0..3 {
        hand.is(Health::Sick);
        sleep(Duration::from_secs(20)).await;
        hand.is(Health::Well);
        sleep(Duration::from_secs(10)).await;
    }
    assert!(stage.pool.get(&"a".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_check_without_an_answer_fails_at_its_timeout() {
    let mut stage = Stage::new(PoolConfig::default(), checked());
    let (lease, hand) = stage.ready("a").await;
    let before = Instant::now();
    hand.is(Health::Silent);
    lease.draining().await;
    // Each check takes its whole timeout, and the pause begins when it has ended.
    assert_eq!(before.elapsed(), Duration::from_secs(36));
    let unhealthy = crate::fake::tell(&stage.until("unhealthy").await);
    assert_eq!(unhealthy, "a#1 unhealthy: health check not answered within 2s");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_a_failed_one() {
    let mut stage = Stage::new(PoolConfig::default(), checked());
    let (lease, hand) = stage.ready("a").await;
    hand.is(Health::Panicking);
    lease.draining().await;
    let unhealthy = crate::fake::tell(&stage.until("unhealthy").await);
    assert!(unhealthy.contains("check panicked"), "{unhealthy}");
}
