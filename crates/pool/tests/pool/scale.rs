//! Many callers on many threads.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use ostler_pool::{Key, Policy, Pool, PoolConfig};
use ostler_scope::{Deadline, Scope};
use tokio::time::Instant;

use crate::fake::{LONG, Stable};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_keys_called_by_twenty_each_are_started_a_thousand_times() {
    let scope = Scope::root("test").open().unwrap();
    let config = PoolConfig { max_servers: 1000, ..PoolConfig::default() };
    let pool = Pool::start(&scope, config, Stable::eager(Policy::default())).unwrap();
    let calls = (0..20_000).map(|n| {
        let (pool, key) = (pool.clone(), Key::from(format!("{}", n % 1000)));
        tokio::spawn(async move {
            pool.get_or_create(&key, Instant::now() + LONG).await.map(|lease| lease.generation())
        })
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(Result::is_ok)));
    assert_eq!(pool.factory().started.load(Ordering::SeqCst), 1000);
    assert_eq!(pool.list().len(), 1000);
    assert_eq!(pool.list().iter().map(|server| server.served).sum::<u64>(), 20_000);
    assert_eq!(pool.drain(Deadline::after(LONG)).await.stopped, 1000);
    assert_eq!(pool.factory().alive.load(Ordering::SeqCst), 0);
    scope.halt().await;
}

/// Ten times as many keys as places, every lease released at once: whoever waits must always be woken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_gets_through_a_small_pool() {
    let scope = Scope::root("test").open().unwrap();
    let config =
        PoolConfig { max_servers: 8, max_waiting: 10_000, wait_timeout: LONG, ..PoolConfig::default() };
    let policy = Policy { idle_timeout: None, ..Policy::default() };
    let pool = Pool::start(&scope, config, Stable::eager(policy)).unwrap();
    let callers = (0..200).map(|caller: usize| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                let key = Key::from(format!("{}", (caller * 7 + round * 13) % 80));
                let lease = pool.get_or_create(&key, Instant::now() + LONG).await.unwrap();
                assert!(pool.servers().len() <= 8);
                assert_eq!(*lease.key(), key);
                tokio::task::yield_now().await;
                drop(lease);
            }
        })
    });
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(callers)).await;
    for caller in all.expect("nobody waits for ever") {
        caller.unwrap();
    }
    assert_eq!(pool.drain(Deadline::after(LONG)).await.cut, 0);
    scope.halt().await;
}
