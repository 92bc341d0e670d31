//! What owning a task costs: spawn and join in a scope against the bare runtime.

use std::convert::Infallible;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ostler_scope::Scope;
use tokio::runtime::{Builder, Runtime};

/// Enough to see the cost of many at once: table growth, cache misses.
const BATCH: u64 = 64;

fn spawn_and_join(criterion: &mut Criterion) {
    for (flavor, runtime) in [("current_thread", current_thread()), ("multi_thread", multi_thread())] {
        let mut group = criterion.benchmark_group(format!("spawn_join/{flavor}"));
        let scope = runtime.block_on(async { Scope::root("bench").open().expect("a root opens") });
        group.bench_function("tokio", |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    tokio::spawn(async {
                        for number in 0..BATCH {
                            let task = tokio::spawn(async move { Ok::<_, Infallible>(black_box(number)) });
                            black_box(task.await).expect("not aborted").ok();
                        }
                    })
                    .await
                })
            });
        });
        group.bench_function("scope", |bencher| {
            bencher.iter(|| {
                let scope = scope.clone();
                runtime.block_on(async {
                    tokio::spawn(async move {
                        for number in 0..BATCH {
                            let task =
                                scope.spawn("task", async move { Ok::<_, Infallible>(black_box(number)) });
                            black_box(task.expect("open").await).ok();
                        }
                    })
                    .await
                })
            });
        });
        group.bench_function("tokio_batch", |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    tokio::spawn(async {
                        let tasks: Vec<_> = (0..BATCH)
                            .map(|number| tokio::spawn(async move { Ok::<_, Infallible>(black_box(number)) }))
                            .collect();
                        for task in tasks {
                            black_box(task.await).expect("not aborted").ok();
                        }
                    })
                    .await
                })
            });
        });
        group.bench_function("scope_batch", |bencher| {
            bencher.iter(|| {
                let scope = scope.clone();
                runtime.block_on(async {
                    tokio::spawn(async move {
                        let tasks: Vec<_> = (0..BATCH)
                            .map(|number| {
                                scope
                                    .spawn("task", async move { Ok::<_, Infallible>(black_box(number)) })
                                    .expect("open")
                            })
                            .collect();
                        for task in tasks {
                            black_box(task.await).ok();
                        }
                    })
                    .await
                })
            });
        });
        group.finish();
    }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().expect("a runtime")
}

criterion_group!(benches, spawn_and_join);
criterion_main!(benches);
