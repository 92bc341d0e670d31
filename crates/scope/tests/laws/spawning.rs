//! Laws 6 and 12: where things may be started, and what becomes of them when the scope ends meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use ostler_scope::{BoxError, Closed};
use tokio::sync::oneshot;

use crate::support::{Trace, root, settle};

/// Law 6.
#[tokio::test(start_paused = true)]
async fn nothing_starts_in_a_scope_that_is_halting_or_gone() {
    let (root, trace) = (root(), Trace::default());
    let (release, hold) = oneshot::channel::<()>();
    root.ensure("wait", |_| hold).unwrap();
    let mut release = Some(release);
    drop(root.halt());
    for phase in ["halting", "ended"] {
        let future = trace.until_dropped(phase);
        assert_eq!(root.spawn("late", future).err(), Some(Closed));
        assert_eq!(root.daemon("late", async { Ok::<_, BoxError>(()) }), Err(Closed));
        assert_eq!(root.supervise("late", async { Ok::<_, BoxError>(()) }).err(), Some(Closed));
        assert_eq!(root.spawn_blocking("late", |_| Ok::<_, BoxError>(())).err(), Some(Closed));
        assert_eq!(root.thread("late", |_| Ok::<_, BoxError>(())), Err(Closed));
        assert_eq!(root.ensure("late", |_| async { Ok::<_, BoxError>(()) }), Err(Closed));
        assert_eq!(root.group("late").err(), Some(Closed));
        assert_eq!(root.child("late").open().err(), Some(Closed));
        assert!(root.run("late", |_| async { Ok::<_, BoxError>(()) }).await.is_err());
        assert!(root.resource("late", |_| async { Ok::<_, BoxError>(()) }).await.is_err());
        if let Some(release) = release.take() {
            release.send(()).unwrap();
            root.ended().await;
        }
    }
    assert_eq!(trace.events(), ["halting", "ended"]);
}

/// Law 6, where it is hard: threads that spawn while another halts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn spawning_against_a_halt_never_leaks() {
    struct Live(Arc<AtomicUsize>);
    impl Drop for Live {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    for round in 0..300 {
        let root = root();
        let live = Arc::new(AtomicUsize::new(0));
        let (tell, mut started) = tokio::sync::mpsc::channel(1);
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let (root, live, tell) = (root.clone(), live.clone(), tell.clone());
                tokio::spawn(async move {
                    let mut accepted = 0;
                    loop {
                        live.fetch_add(1, Ordering::SeqCst);
                        let guard = Live(live.clone());
                        let endless = accepted % 2 == 0;
                        let spawned = root.child("child").open().and_then(|child| {
                            child.spawn("task", async move {
                                let _guard = guard;
                                if endless { std::future::pending().await } else { Ok::<_, BoxError>(()) }
                            })
                        });
                        let Ok(task) = spawned else { return };
                        accepted += 1;
                        let _ = tell.try_send(());
                        if !endless {
                            let _ = task.await;
                        }
                    }
                })
            })
            .collect();
        started.recv().await.unwrap();
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        let report = root.halt().await;
        assert!(report.is_clean(), "{report:?}");
        for spawner in spawners {
            spawner.await.unwrap();
        }
        assert_eq!(live.load(Ordering::SeqCst), 0);
        assert_eq!(root.tree().paths(), ["main"]);
    }
}

/// Law 12.
#[tokio::test(start_paused = true)]
async fn a_handle_spawns_from_a_callback_and_keeps_nothing_alive() {
    let (root, trace) = (root(), Trace::default());
    let child = root.child("child").open().unwrap();
    let value = Arc::new("held by the scope");
    let weak_value = Arc::downgrade(&value);
    let inner = child.child("inner").context(value).open().unwrap();
    let handle = inner.handle();
    drop(inner);
    let event = trace.until_dropped("halted");
    let callback = {
        let handle = handle.clone();
        move || handle.spawn("from a callback", event).map(drop)
    };
    // From a thread that knows no runtime.
    std::thread::spawn(callback).join().unwrap().unwrap();
    settle().await;
    assert!(child.tree().paths().contains(&"child/inner/from a callback".to_owned()));
    child.halt().await;
    assert_eq!(trace.events(), ["halted"]);
    settle().await;
    assert!(handle.upgrade().is_none());
    assert!(weak_value.upgrade().is_none());
    assert_eq!(handle.spawn("late", async { Ok::<_, BoxError>(()) }).err(), Some(Closed));
    root.halt().await;
}

#[tokio::test(start_paused = true)]
async fn a_scope_lives_on_without_handles_until_its_owner_halts() {
    let (root, trace) = (root(), Trace::default());
    drop(root.child("child").open().unwrap().spawn("task", trace.until_dropped("halted")).unwrap());
    settle().await;
    assert_eq!(root.tree().paths(), ["main", "main/child", "main/child/task"]);
    root.halt().await;
    assert_eq!(trace.events(), ["halted"]);
}

#[tokio::test(start_paused = true)]
async fn a_local_future_is_owned_as_any_other() {
    let (root, trace) = (root(), Trace::default());
    tokio::task::LocalSet::new()
        .run_until(async {
            let counter = std::rc::Rc::new(1);
            let task = root.spawn_local("local", async move { Ok::<_, BoxError>(*counter + 1) }).unwrap();
            assert_eq!(task.await.unwrap(), 2);
            drop(root.spawn_local("endless", trace.until_dropped("halted")).unwrap());
            settle().await;
            root.halt().await;
        })
        .await;
    assert_eq!(trace.events(), ["halted"]);
}

/// A runtime that is shut down drops tasks while they are being spawned, and with them whoever would have torn down.
#[test]
fn a_scope_whose_runtime_is_gone_still_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let root = runtime.block_on(async { root() });
    let trace = Trace::default();
    root.ensure("never runs", |_| async { Ok::<_, BoxError>(()) }).unwrap();
    let child = root.child("child").open().unwrap();
    drop(root.spawn("task", trace.until_dropped("dropped")).unwrap());
    drop(runtime);
    assert_eq!(trace.events(), ["dropped"]);
    drop(root.spawn("late", trace.until_dropped("dropped again")).unwrap());
    let report = futures::executor::block_on(root.halt());
    assert_eq!(report.stuck, ["main/never runs", "main/child"]);
    assert!(child.ended().now_or_never().is_some(), "what was below it has ended too");
    assert_eq!(trace.events(), ["dropped", "dropped again"]);
}
