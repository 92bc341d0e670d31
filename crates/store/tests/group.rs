//! Many at once.

use futures::future::{join, join_all};
use ostler_journal::contract::sample::{Writer, folded};
use ostler_journal::{AppendRefused, JournalStorage};
use ostler_store::{SqliteConfig, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};

use crate::support::{Inn, Open, beside, runtime};

#[test]
fn sixty_four_sessions_at_once_are_all_complete() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(inn.config()).await;
        let session = async |_| {
            let mut ada = Writer::of("ada");
            let mut batch = vec![ada.begin()];
            let mut all = batch.clone();
            for round in 1..20 {
                open.take(batch).await;
                batch = vec![ada.step("a"), ada.ask(round), ada.answer(round)];
                all.extend(batch.clone());
            }
            open.take(batch).await;
            all
        };
        for all in join_all((0..64).map(session)).await {
            let session = all[0].1.session;
            let summary = folded(all.iter().map(|(_, entry)| entry));
            assert_eq!(open.store.summary(session).await.unwrap(), summary);
            let events: Vec<_> = all.into_iter().map(|(_, entry)| entry.event).collect();
            assert_eq!(open.store.load(session).await.unwrap(), events);
        }
        open.halt().await;
    });
}

#[test]
fn one_refused_append_does_not_touch_what_is_committed_with_it() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(inn.config()).await;
        let mut writers: Vec<_> = (0..32).map(|_| Writer::of("ada")).collect();
        open.take(writers.iter_mut().map(Writer::begin).collect()).await;
        for round in 0..10 {
            let refused = round * 3;
            let (session, repeated) = (writers[refused].session, writers[refused].clone().begin());
            let mut appends = Vec::new();
            for (index, writer) in writers.iter_mut().enumerate() {
                let entry = if index == refused { repeated.clone() } else { writer.step("a") };
                let entry = if index == refused {
                    (entry.0, ostler_journal::Entry { seq: ostler_journal::Seq::new(0), ..entry.1 })
                } else {
                    entry
                };
                appends.push(open.store.append(vec![entry]));
            }
            for (index, answers) in join_all(appends).await.into_iter().enumerate() {
                let answer = answers.unwrap()[0];
                if index == refused {
                    assert_eq!(answer, Err(AppendRefused::Superseded { session }));
                } else {
                    assert!(answer.is_ok(), "{answer:?}");
                }
            }
        }
        open.halt().await;
    });
}

#[test]
fn an_append_that_nobody_waits_for_is_whole_or_not_there() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(inn.config()).await;
        let mut writers: Vec<_> = (0..64).map(|_| Writer::of("ada")).collect();
        for (index, writer) in writers.iter_mut().enumerate() {
            let batch = vec![writer.begin(), writer.step("a"), writer.step("b")];
            let mut append = open.store.append(batch);
            for _ in 0..index % 4 {
                let _ = futures::poll!(&mut append);
                tokio::task::yield_now().await;
            }
            drop(append);
        }
        // Behind all of them in the queue.
        let mut last = Writer::of("ada");
        open.take(vec![last.begin()]).await;
        for writer in &writers {
            let events = open.store.load(writer.session).await.unwrap().len();
            let summary = open.store.summary(writer.session).await.unwrap();
            match summary {
                Some(summary) => assert_eq!((events, summary.next), (3, writer.next)),
                None => assert_eq!(events, 0),
            }
        }
        open.halt().await;
    });
}

#[test]
fn an_entry_that_is_too_large_fails_alone() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(SqliteConfig { entry_bytes: 1000, ..inn.config() }).await;
        let (mut ada, mut bob) = (Writer::of("ada"), Writer::of("bob"));
        let (large, small) = (vec![ada.begin(), ada.step(&"x".repeat(1000))], vec![bob.begin()]);
        let (large, small) = join(open.store.append(large), open.store.append(small)).await;
        let error = large.unwrap_err();
        assert!(matches!(StoreError::of(&error), Some(StoreError::TooLarge { most: 1000, .. })), "{error:?}");
        assert!(small.unwrap()[0].is_ok());
        assert_eq!(open.store.summary(ada.session).await.unwrap(), None);
        open.halt().await;
    });
}

#[test]
fn the_log_stays_bounded_although_somebody_always_reads() {
    runtime().block_on(async {
        let inn = Inn::new();
        let wal_bytes = 256 << 10;
        let open = Open::with(SqliteConfig { wal_bytes, ..inn.config() }).await;
        let mut ada = Writer::of("ada");
        open.take(vec![ada.begin()]).await;
        let log = beside(&inn.path(), "-wal");

        // Two readers, one of which looks at what was there a moment ago as long as the other is not ready.
        let options = SqliteConnectOptions::new().filename(inn.path()).read_only(true);
        let (mut one, mut other) = (options.connect().await.unwrap(), options.connect().await.unwrap());
        let reading = async {
            loop {
                one.execute("BEGIN; SELECT count(*) FROM sessions").await.unwrap();
                let _ = other.execute("COMMIT").await;
                std::mem::swap(&mut one, &mut other);
            }
        };
        let writing = async {
            let mut longest = 0;
            for _ in 0..800 {
                open.take(vec![ada.step(&"x".repeat(5000))]).await;
                longest = longest.max(std::fs::metadata(&log).unwrap().len());
            }
            longest
        };
        let longest = tokio::select! {
            () = reading => 0,
            longest = writing => longest,
        };
        // Four times the bound, and what is written until somebody looks. It would be 20 MiB if nobody did.
        assert!(longest < 8 << 20, "{longest}");
        open.halt().await;
    });
}
