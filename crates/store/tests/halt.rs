//! What a scope has opened is closed with it.

use futures::future::join_all;
use ostler_journal::JournalStorage;
use ostler_journal::contract::sample::Writer;
use ostler_store::SqliteConfig;

use crate::support::{Inn, Open, beside, runtime};

#[test]
fn what_is_queued_is_committed_and_nothing_is_left_open() {
    runtime().block_on(async {
        let inn = Inn::new();
        let open = Open::with(inn.config()).await;
        let mut writers: Vec<_> = (0..32).map(|_| Writer::of("ada")).collect();
        let mut appends: Vec<_> = Vec::new();
        for writer in &mut writers {
            let mut append = open.store.append(vec![writer.begin(), writer.step("a")]);
            assert!(futures::poll!(&mut append).is_pending());
            appends.push(append);
        }
        assert!(open.scope.halt().await.is_clean());
        for answers in join_all(appends).await {
            assert!(answers.unwrap().iter().all(Result::is_ok));
        }
        assert_eq!(opened(&inn), [""; 0]);
        assert!(!beside(&inn.path(), "-wal").exists(), "the log was copied into the file");

        let mut late = Writer::of("ada");
        let error = open.store.append(vec![late.begin()]).await.unwrap_err();
        assert_eq!(error.to_string(), "the store is closed");
        assert_eq!(open.store.counts().await.unwrap_err().to_string(), "the store is closed");
        assert!(open.store.share().is_err());

        let again = Open::with(inn.config()).await;
        for writer in &writers {
            assert_eq!(again.store.load(writer.session).await.unwrap().len(), 2);
        }
        again.halt().await;
    });
}

#[test]
fn a_scope_that_is_halting_opens_nothing() {
    runtime().block_on(async {
        let inn = Inn::new();
        let scope = ostler_scope::Scope::root("test").open().unwrap();
        assert!(scope.halt().await.is_clean());
        let error =
            ostler_store::SqliteStorage::open(&scope, SqliteConfig::at(inn.path())).await.unwrap_err();
        assert!(matches!(error, ostler_store::OpenError::Closed(_)), "{error:?}");
        // The threads of connections that were dropped end by themselves.
        while !opened(&inn).is_empty() {
            tokio::task::yield_now().await;
        }
    });
}

/// The files of `inn` that this process has open.
fn opened(inn: &Inn) -> Vec<String> {
    let folder = inn.folder.path().canonicalize().unwrap();
    let files =
        std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| file.unwrap().path().read_link().ok());
    files.filter(|file| file.starts_with(&folder)).map(|file| file.display().to_string()).collect()
}
