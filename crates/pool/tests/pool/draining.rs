//! The end of a pool: nothing new, everybody answered, everything gone, and told so.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use ostler_pool::{Drained, LeaseError, Policy, Pool, PoolConfig, SlotState};
use ostler_scope::{BoxError, Deadline, Scope};
use tokio::time::{Instant, sleep};

use crate::fake::{FakePool, LONG, Stable, Stage, settle};

#[tokio::test(start_paused = true)]
async fn a_draining_pool_answers_who_waits_and_takes_no_new_calls() {
    let config = PoolConfig { max_servers: 2, ..PoolConfig::default() };
    let mut stage = Stage::new(config, Policy::default());
    let (lease, _) = stage.ready("a").await;
    let starting = stage.call("b");
    let (_start, _opened) = stage.starting().await.parts();
    let queued = stage.call("c");
    settle().await;
    let pool = stage.pool.clone();
    let drain = tokio::spawn(async move { pool.drain(Deadline::after(LONG)).await });
    for call in [starting, queued, stage.call("a"), stage.call("d")] {
        assert!(matches!(call.await.unwrap(), Err(LeaseError::Closed)));
    }
    assert!(stage.pool.get(&"a".into()).is_none());
    assert!(lease.slot().lease().is_none());
    stage.nothing_starts().await;
    assert!(!drain.is_finished());
    drop(lease);
    assert_eq!(drain.await.unwrap(), Drained { stopped: 2, ..Drained::default() });
}

#[tokio::test(start_paused = true)]
async fn drained_servers_stop_all_at_once() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    for key in 0..10 {
        let call = stage.call(&key.to_string());
        let backstage = stage.starting().await;
        let slow = |_| async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, BoxError>(())
        };
        backstage.start.scope.ensure("slow", slow).unwrap();
        backstage.open();
        drop(call.await.unwrap().unwrap());
    }
    let before = Instant::now();
    assert_eq!(stage.pool.drain(Deadline::after(LONG)).await.stopped, 10);
    assert_eq!(before.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn leases_are_cut_off_at_the_drain_deadline_and_counted() {
    let mut stage = Stage::new(PoolConfig::default(), Policy { drain_timeout: LONG, ..Policy::default() });
    let (a, hand) = stage.ready("a").await;
    let (b, _) = stage.ready("b").await;
    let another = a.slot().lease().unwrap();
    let before = Instant::now();
    let drained = stage.pool.drain(Deadline::after(Duration::from_secs(5))).await;
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    assert_eq!((drained.stopped, drained.cut), (2, 3));
    assert_eq!(hand.drains.load(Ordering::SeqCst), 0, "there is no time left for it");
    assert_eq!([a.slot().state(), b.slot().state()], [SlotState::Ended; 2]);
    drop(another);
}

#[tokio::test(start_paused = true)]
async fn a_drain_deadline_that_is_brought_forward_counts() {
    let mut stage = Stage::new(PoolConfig::default(), Policy { drain_timeout: LONG, ..Policy::default() });
    let (_lease, _) = stage.ready("a").await;
    let deadline = Deadline::after(LONG);
    let (pool, shared) = (stage.pool.clone(), deadline.clone());
    let drain = tokio::spawn(async move { pool.drain(shared).await });
    sleep(Duration::from_secs(1)).await;
    let before = Instant::now();
    deadline.shorten(before);
    assert_eq!(drain.await.unwrap().cut, 1);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_joins_the_first_and_may_bring_its_deadline_forward() {
    let mut stage = Stage::new(PoolConfig::default(), Policy { drain_timeout: LONG, ..Policy::default() });
    let (_lease, _) = stage.ready("a").await;
    let deadline = Deadline::after(LONG);
    let (pool, first) = (stage.pool.clone(), deadline.clone());
    let drain = tokio::spawn(async move { pool.drain(first).await });
    settle().await;
    let before = Instant::now();
    let second = stage.pool.drain(Deadline::after(Duration::from_secs(2))).await;
    assert_eq!(before.elapsed(), Duration::from_secs(2));
    assert_eq!(drain.await.unwrap(), second);
    assert!(!deadline.is_expired(), "the first caller's deadline is its own");
}

#[tokio::test(start_paused = true)]
async fn a_drain_goes_on_when_nobody_waits_for_it() {
    let mut stage = Stage::new(PoolConfig::default(), Policy { drain_timeout: LONG, ..Policy::default() });
    let (lease, _) = stage.ready("a").await;
    {
        let mut drain = Box::pin(stage.pool.drain(Deadline::after(Duration::from_secs(5))));
        assert!(futures::poll!(&mut drain).is_pending());
    }
    let before = Instant::now();
    lease.ended().await;
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn the_events_end_after_every_stopped() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    for key in ["a", "b", "c"] {
        drop(stage.ready(key).await);
    }
    drop(stage.pool.drain(Deadline::after(LONG)).await);
    let late = stage.pool.events(1).next().await;
    assert!(late.is_none(), "who subscribes late sees the end at once");
    let events = stage.last_events().await;
    assert_eq!(events.iter().filter(|event| event.ends_with("stopped")).count(), 3);
    assert!(events.last().unwrap().ends_with("stopped"));
}

#[tokio::test(start_paused = true)]
async fn halting_the_scope_stops_everything_and_settles_everybody() {
    let config = PoolConfig { max_servers: 2, ..PoolConfig::default() };
    let mut stage = Stage::new(config, Policy::default());
    let (lease, _) = stage.ready("a").await;
    let starting = stage.call("b");
    let _start = stage.starting().await;
    let queued = stage.call("c");
    settle().await;
    let report = stage.scope.halt().await;
    assert!(report.is_clean(), "{report:?}");
    assert!(matches!(starting.await.unwrap(), Err(LeaseError::Closed)));
    assert!(matches!(queued.await.unwrap(), Err(LeaseError::Closed)));
    assert!(matches!(stage.call("d").await.unwrap(), Err(LeaseError::Closed)));
    lease.ended().await;
    assert_eq!(stage.alive(), 0);
    assert!(stage.pool.servers().is_empty());
    let mut events = stage.last_events().await;
    events.sort();
    let expected = [
        "a#1 evicted: drained",
        "a#1 ready at 1",
        "a#1 started",
        "a#1 stopped",
        "b#2 evicted: drained",
        "b#2 started",
        "b#2 stopped",
        "c limit_reached",
    ];
    assert_eq!(events, expected);
}

#[tokio::test(start_paused = true)]
async fn a_halted_pool_asks_its_servers_to_finish_before_it_ends_them() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let (lease, hand) = stage.ready("a").await;
    let halting = tokio::spawn(stage.scope.halt());
    lease.draining().await;
    settle().await;
    assert!(!halting.is_finished(), "a lease was cut although there was time");
    drop(lease);
    assert!(halting.await.unwrap().is_clean());
    assert_eq!(hand.drains.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_found_in_the_context_of_its_servers() {
    let mut stage = Stage::new(PoolConfig::default(), Policy::default());
    let _call = stage.call("a");
    let backstage = stage.starting().await;
    let pool = backstage.start.scope.context::<FakePool>().expect("the pool is there");
    assert_eq!(pool.servers().len(), 1);
    assert!(stage.scope.context::<FakePool>().is_none(), "and only below it");
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_not_started_in_a_scope_that_has_ended() {
    let scope = Scope::root("test").open().unwrap();
    scope.halt().await;
    assert!(Pool::start(&scope, PoolConfig::default(), Stable::eager(Policy::default())).is_err());
}
