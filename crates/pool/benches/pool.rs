//! What a lease costs on the warm path, and what it takes to start and stop many servers.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::join_all;
use ostler_pool::{Factory, Key, Policy, Pool, PoolConfig, Resource, Start};
use ostler_scope::{BoxError, Deadline, Scope};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

const SERVERS: usize = 120;

struct Nothing;
struct Idle;

impl Factory for Nothing {
    type Resource = Idle;

    fn policy(&self, _: &Key) -> Policy {
        Policy::default()
    }

    async fn start(&self, _: Start) -> Result<Idle, BoxError> {
        Ok(Idle)
    }
}

impl Resource for Idle {
    type Address = u16;

    fn address(&self) -> u16 {
        80
    }

    async fn exited(&self) -> BoxError {
        std::future::pending().await
    }

    async fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    async fn drain(&self, _: Deadline) {}
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn pool(scope: &Scope) -> Pool<Nothing> {
    let config = PoolConfig { max_servers: SERVERS, ..PoolConfig::default() };
    Pool::start(scope, config, Nothing).expect("an open scope")
}

async fn fill(pool: &Pool<Nothing>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let calls = (0..SERVERS).map(|n| {
        let key = Key::from(n.to_string());
        async move { pool.get_or_create(&key, deadline).await.map(drop) }
    });
    join_all(calls).await.into_iter().for_each(|call| call.expect("a lease"));
}

fn warm(criterion: &mut Criterion) {
    let runtime = runtime();
    let key = Key::from("0");
    let (pool, slot) = runtime.block_on(async {
        let pool = pool(&Scope::root("bench").open().expect("a root opens"));
        fill(&pool).await;
        let slot = pool.slot(&key).expect("ready");
        (pool, slot)
    });
    criterion.bench_function("lease_and_release/slot", |bencher| {
        bencher.iter(|| drop(black_box(slot.lease())));
    });
    let busy = slot.lease();
    criterion.bench_function("lease_and_release/slot_in_use", |bencher| {
        bencher.iter(|| drop(black_box(slot.lease())));
    });
    drop(busy);
    criterion.bench_function("lease_and_release/pool", |bencher| {
        bencher.iter(|| drop(black_box(pool.get(&key))));
    });
}

fn cold(criterion: &mut Criterion) {
    let runtime = runtime();
    for (name, counts_start) in [("start_120", true), ("stop_120_idle", false)] {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        runtime.block_on(async {
                            let scope = Scope::root("bench").open().expect("a root opens");
                            let pool = pool(&scope);
                            let before = Instant::now();
                            fill(&pool).await;
                            let between = Instant::now();
                            pool.drain(Deadline::after(Duration::from_secs(60))).await;
                            let after = Instant::now();
                            scope.halt().await;
                            if counts_start { between - before } else { after - between }
                        })
                    })
                    .sum()
            });
        });
    }
}

criterion_group!(benches, warm, cold);
criterion_main!(benches);
